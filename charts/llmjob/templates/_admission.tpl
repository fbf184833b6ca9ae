{{- /* Namespaces that are never asked about. */ -}}
{{- define "llmjob.excluded" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: {{ concat (list "kube-system" "kube-node-lease" .Release.Namespace) .Values.excludedNamespaces | uniq | toJson }}
{{- end }}

{{- /* One level's namespaces: by the label, or for "default" those without a word we know. "off" has no entry. */ -}}
{{- define "llmjob.namespaces" -}}
matchExpressions:
  {{- include "llmjob.excluded" .root | nindent 2 }}
  - key: llmjob.dev/enforcement
    {{- if eq .level "default" }}
    operator: NotIn
    values: ["audit", "warn", "enforce", "strict", "off"]
    {{- else }}
    operator: In
    values: [{{ .level | quote }}]
    {{- end }}
{{- end }}

{{- /* How the API server reaches a path. Where the controller or cert-manager writes the CA, it stays out of here. */ -}}
{{- define "llmjob.client" -}}
{{- with .root.Values.webhook.url -}}
url: {{ printf "%s/v1/%s" . $.path | quote }}
{{- else -}}
service:
  namespace: {{ .root.Release.Namespace | quote }}
  name: {{ include "llmjob.fullname" .root }}-webhook
  port: {{ .root.Values.webhook.service.port }}
  path: {{ printf "/v1/%s" .path | quote }}
{{- end }}
{{- with .root.Values.webhook.caBundle }}
caBundle: {{ . }}
{{- end }}
{{- end }}

{{- define "llmjob.configuration" -}}
labels:
  {{- include "llmjob.labels" (dict "root" . "component" "webhook") | nindent 2 }}
{{- if and .Values.webhook.enabled (eq .Values.certificates.mode "certManager") }}
annotations:
  cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "llmjob.fullname" . }}-webhook
{{- end }}
{{- end }}

{{- define "llmjob.common" -}}
admissionReviewVersions: ["v1"]
sideEffects: None
matchPolicy: Equivalent
timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
{{- end }}

{{- /* Pods that joined a job. */ -}}
{{- define "llmjob.pods" -}}
objectSelector:
  matchExpressions:
    - {key: llmjob.dev/job, operator: Exists}
rules:
  - apiGroups: [""]
    apiVersions: ["v1"]
    resources: ["pods"]
    operations: ["CREATE"]
    scope: Namespaced
{{- end }}
