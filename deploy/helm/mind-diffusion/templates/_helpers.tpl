{{- define "mind.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "mind.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "mind.labels" -}}
{{ include "mind.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: mind-diffusion
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "mind.image" -}}
{{ .repository }}:{{ .tag | default .appVersion }}
{{- end }}

{{- define "mind.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "mind.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Whether jobs are kept in a database. */}}
{{- define "mind.database" -}}
{{- if or .Values.database.urlSecret .Values.database.cnpg.enabled }}yes{{ end }}
{{- end }}

{{- define "mind.databaseSecret" -}}
{{- .Values.database.urlSecret | default (printf "%s-db-app" (include "mind.name" .)) }}
{{- end }}

{{- define "mind.clusterTlsSecret" -}}
{{- if .Values.clusterTls.existingSecret }}{{ .Values.clusterTls.existingSecret }}{{ else if .Values.clusterTls.certManager.enabled }}{{ include "mind.name" . }}-cluster-tls{{ end }}
{{- end }}

{{/* Whether KEDA asks the servers. */}}
{{- define "mind.scaledFromServers" -}}
{{- range .Values.workers }}
{{- $scaling := (mustMergeOverwrite (deepCopy $.Values.workerDefaults) .).autoscaling }}
{{- if and $scaling.enabled (eq $scaling.from "servers") }}yes{{ end }}
{{- end }}
{{- end }}

{{- define "mind.check" -}}
{{- if and (gt (int .Values.server.replicas) 1) (not (include "mind.database" .)) }}
{{- fail "server.replicas: several servers need a database: set database.urlSecret or database.cnpg.enabled" }}
{{- end }}
{{- if and (gt (int .Values.server.replicas) 1) (not (include "mind.clusterTlsSecret" .)) }}
{{- fail "server.replicas: several servers speak to each other over TLS: set clusterTls.certManager.enabled or clusterTls.existingSecret" }}
{{- end }}
{{- if and .Values.database.urlSecret .Values.database.cnpg.enabled }}
{{- fail "database: give either urlSecret or cnpg.enabled" }}
{{- end }}
{{- if and .Values.auth.keysSecret (not .Values.auth.workerKeySecret) }}
{{- fail "auth.workerKeySecret: the workers need a key of scope worker where auth.keysSecret is set" }}
{{- end }}
{{- end }}
