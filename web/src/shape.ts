// What the gateway sends. Members that an older or a newer gateway may leave out are optional: the page shows what is there.

export interface Endpoint {
  name: string;
  protocol: string;
  host: string;
  port: number;
}

/** `GET /sessions/:id`, and the data of an event `session`. */
export interface Session {
  id: string;
  gameId: string;
  userId: string;
  gameConfig?: Record<string, unknown>;
  status: 'starting' | 'running' | 'stopping' | 'stopped' | 'error';
  created: string;
  started?: string;
  stopped?: string;
  error?: string;
  game: string;
  phase: string;
  reason?: string;
  message?: string;
  ready: boolean;
  desiredState: 'Running' | 'Stopped';
  address?: string;
  endpoints?: Endpoint[];
  restarts: number;
  warnings?: string[];
}

export interface ParameterDeclaration {
  name: string;
  description?: string;
  default?: string;
  required?: boolean;
  pattern?: string;
  enum?: string[];
}

/** An entry of `GET /games`. */
export interface Game {
  name: string;
  title?: string;
  image: string;
  parameters: ParameterDeclaration[];
  /** Names of the ports that players connect to. */
  ports: string[];
  storage: boolean;
  runtimes: string[];
}

export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  lastTransitionTime: string;
}

/** `GET /sessions/:id/resource`: the GameSession as the API server has it. */
export interface Resource {
  metadata: { name: string; namespace?: string; creationTimestamp?: string };
  spec: {
    parameters?: { name: string; value: string }[];
    restartPolicy?: string;
    activeDeadlineSeconds?: number;
    ttlSecondsAfterFinished?: number;
    [member: string]: unknown;
  };
  status?: {
    conditions?: Condition[];
    runtime?: string;
    engine?: { name?: string };
    attempt?: number;
    attemptTime?: string;
    startTime?: string;
    finishTime?: string;
    container?: { name?: string; image?: string; nodeName?: string; startTime?: string; readyTime?: string };
    stop?: { reason?: string; time?: string };
    lastExit?: { reason?: string; exitCode?: number; signal?: number; oomKilled?: boolean; finishTime?: string };
  };
}

/** An entry of `GET /sessions/:id/events`: a Kubernetes Event about the session. */
export interface Happening {
  time: string;
  type: string;
  reason: string;
  message: string;
  count?: number;
}
