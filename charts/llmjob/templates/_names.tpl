{{- /* The longest name made of it is <fullname>-controller of a Service: 63 characters. */ -}}
{{- define "llmjob.fullname" -}}
{{- $name := contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) -}}
{{- $name | replace "." "-" | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "llmjob.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "llmjob.labels" -}}
{{ include "llmjob.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "llmjob.image" -}}
{{- with .Values.image -}}
{{- $name := empty .registry | ternary .repository (printf "%s/%s" .registry .repository) -}}
{{- empty .digest | ternary (printf "%s:%s" $name (.tag | default $.Chart.AppVersion)) (printf "%s@%s" $name .digest) -}}
{{- end -}}
{{- end }}

{{- /* Whether the controller makes the certificate, and the Secret where the webhook finds it. */ -}}
{{- define "llmjob.certificate.made" -}}
{{- and .Values.webhook.enabled .Values.controller.enabled (eq .Values.certificates.mode "controller") | ternary "yes" "" -}}
{{- end }}

{{- define "llmjob.certificate.secret" -}}
{{- /* Not one name for both makers: a Secret that cert-manager leaves behind is not the release's to take over. */ -}}
{{- $suffix := eq .Values.certificates.mode "certManager" | ternary "cert-manager" "tls" -}}
{{- .Values.certificates.secretName | default (printf "%s-webhook-%s" (include "llmjob.fullname" .) $suffix) -}}
{{- end }}

{{- /* The host by which the API server calls the webhook's URL. */ -}}
{{- define "llmjob.host" -}}
{{- (urlParse .Values.webhook.url).hostname -}}
{{- end }}
