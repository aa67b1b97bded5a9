// Server-sent events out of a stream that comes in pieces, as the HTML standard reads them. Pure.

export interface ServerEvent {
  name: string;
  data: string;
}

/** Returns what takes the next piece of text and gives the events that it ends. */
export function eventReader(): (text: string) => ServerEvent[] {
  let rest = '';
  let name = '';
  let data: string[] = [];
  return (text) => {
    rest += text;
    const events: ServerEvent[] = [];
    for (;;) {
      const end = /\r\n|\n|\r(?!$)/.exec(rest);
      if (!end) return events;
      const line = rest.slice(0, end.index);
      rest = rest.slice(end.index + end[0].length);
      if (line === '') {
        if (data.length > 0) events.push({ name: name || 'message', data: data.join('\n') });
        name = '';
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'event') name = value;
      else if (field === 'data') data.push(value);
    }
  };
}
