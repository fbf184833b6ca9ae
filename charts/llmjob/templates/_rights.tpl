{{- /* A ServiceAccount, what it may do in the whole cluster and in the release's namespace, and both bindings. */ -}}
{{- define "llmjob.account" -}}
{{- $name := printf "%s-%s" (include "llmjob.fullname" .root) .component -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "llmjob.labels" . | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  labels:
    {{- include "llmjob.labels" . | nindent 4 }}
rules:
  {{- include (printf "llmjob.rights.%s.cluster" .component) .root | trim | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "llmjob.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $name }}
subjects:
  - {kind: ServiceAccount, name: {{ $name }}, namespace: {{ .root.Release.Namespace | quote }}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "llmjob.labels" . | nindent 4 }}
rules:
  {{- include (printf "llmjob.rights.%s.namespace" .component) .root | trim | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "llmjob.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects:
  - {kind: ServiceAccount, name: {{ $name }}, namespace: {{ .root.Release.Namespace | quote }}}
{{- end }}

{{- /* The views of both processes, and their settings. */ -}}
{{- define "llmjob.rights.views" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
{{- end }}

{{- define "llmjob.rights.settings" -}}
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ include "llmjob.fullname" . }}-settings]
  verbs: [list, watch]
{{- end }}
