{{- /* One level's namespaces: by the label, or for "default" those without a word we know. "off" has no entry. */ -}}
{{- define "llmjob.namespaces" -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ concat (list "kube-system" "kube-node-lease" .root.Release.Namespace) .root.Values.excludedNamespaces | uniq | toJson }}
  - key: llmjob.dev/enforcement
    {{- if eq .level "default" }}
    operator: NotIn
    values: ["audit", "warn", "enforce", "strict", "off"]
    {{- else }}
    operator: In
    values: [{{ .level | quote }}]
    {{- end }}
{{- end }}

{{- define "llmjob.client" -}}
url: {{ printf "%s/v1/%s" .root.Values.webhook.url .path | quote }}
{{- with .root.Values.webhook.caBundle }}
caBundle: {{ . }}
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
