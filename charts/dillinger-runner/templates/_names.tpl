{{/* Names, labels and what more than one template asks for. */}}

{{- define "dillinger.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "dillinger.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "dillinger.name" .) .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "dillinger.name" .) | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Of objects that belong to no namespace: two releases in two namespaces must not share them. */}}
{{- define "dillinger.clusterName" -}}
{{ printf "%s.%s" (include "dillinger.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "dillinger.selector" -}}
app.kubernetes.io/name: {{ include "dillinger.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end }}

{{- define "dillinger.labels" -}}
{{ include "dillinger.selector" . }}
{{ include "dillinger.otherLabels" . }}
{{- end }}

{{- define "dillinger.otherLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: dillinger-runner
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dillinger.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "dillinger.fullname" .) }}
{{- end }}

{{- define "dillinger.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The gateway: its name, labels, ServiceAccount, and the one namespace that it shows. */}}
{{- define "dillinger.gateway" -}}
{{ include "dillinger.fullname" . }}-gateway
{{- end }}
{{- define "dillinger.gatewaySelector" -}}
app.kubernetes.io/name: {{ include "dillinger.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}
{{- define "dillinger.gatewayLabels" -}}
{{ include "dillinger.gatewaySelector" . }}
{{ include "dillinger.otherLabels" . }}
{{- end }}
{{- define "dillinger.gatewayAccount" -}}
{{ .Values.gateway.serviceAccount.name | default (include "dillinger.gateway" .) }}
{{- end }}
{{- define "dillinger.gatewayUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "dillinger.gatewayAccount" . }}
{{- end }}
{{- define "dillinger.gatewayNamespace" -}}
{{ .Values.gateway.namespace | default (first .Values.watchNamespaces) | default .Release.Namespace }}
{{- end }}
{{/* Whether it asks the controller for logs: "yes" or nothing. Both then have the Secret mounted here. */}}
{{- define "dillinger.gatewayAsks" -}}
{{- if and .Values.gateway.enabled .Values.gateway.controllerTokenSecret }}yes{{ end -}}
{{- end }}
{{- define "dillinger.gatewayTokenFolder" -}}
/etc/dillinger-runner/gateway
{{- end }}

{{/* "yes" or nothing. */}}
{{- define "dillinger.pods" -}}
{{- if has "Pod" .Values.runtimes }}yes{{ end -}}
{{- end }}
{{- define "dillinger.docker" -}}
{{- if has "Docker" .Values.runtimes }}yes{{ end -}}
{{- end }}
{{/* The folder of the engine's socket on the node, or nothing for an engine on the network. */}}
{{- define "dillinger.socket" -}}
{{- if and (include "dillinger.docker" .) (hasPrefix "unix://" .Values.docker.host) }}{{ trimPrefix "unix://" .Values.docker.host }}{{ end -}}
{{- end }}

{{/* Namespaces of sessions that are known by name, as JSON; empty where all are watched and none was named. */}}
{{- define "dillinger.gameNamespaces" -}}
{{ .Values.games.namespaces | default .Values.watchNamespaces | toJson }}
{{- end }}

{{/* The labels that every Pod of a game has and no other Pod. */}}
{{- define "dillinger.gameSelector" -}}
dillinger.dev/controller: {{ .Values.controllerName }}
{{- end }}

{{/* First and last of "7000-8000", as JSON. */}}
{{- define "dillinger.range" -}}
{{- $ends := splitList "-" . -}}
{{ list (index $ends 0 | int) (index $ends 1 | int) | toJson }}
{{- end }}
