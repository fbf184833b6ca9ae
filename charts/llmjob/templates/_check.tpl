{{- /* Values that are right each, and wrong together: refused by name, with what to do. */ -}}
{{- define "llmjob.check" -}}
{{- with .Values }}
{{- $serving := .webhook.enabled }}
{{- $mode := .certificates.mode }}
{{- if and $serving (eq $mode "controller") (not .controller.enabled) }}
  {{- fail "certificates.mode: controller.enabled is false, so nobody makes the webhook's certificate; set certManager or existing" }}
{{- end }}
{{- if and (eq $mode "existing") $serving (not .certificates.secretName) }}
  {{- fail "certificates.secretName: certificates.mode is existing, so name the kubernetes.io/tls Secret that holds the certificate" }}
{{- end }}
{{- if and .certificates.secretName (ne $mode "existing") }}
  {{- fail (printf "certificates.secretName: is for certificates.mode existing only, and that is %s; leave it empty" $mode) }}
{{- end }}
{{- if and .webhook.caBundle $serving (ne $mode "existing") }}
  {{- fail (printf "webhook.caBundle: is written by %s (certificates.mode); leave it empty, or set the mode existing" (eq $mode "controller" | ternary "the controller" "cert-manager")) }}
{{- end }}
{{- if and (eq $mode "existing") $serving (not .webhook.url) (not .webhook.caBundle) }}
  {{- fail "webhook.caBundle: certificates.mode is existing, so give the CA that proves the certificate, PEM in base64" }}
{{- end }}
{{- if and .webhook.caBundle (not (contains "-----BEGIN CERTIFICATE-----" (b64dec .webhook.caBundle))) }}
  {{- fail "webhook.caBundle: holds no PEM certificate; give the CA's PEM file in base64" }}
{{- end }}
{{- if and (eq .webhook.podFailurePolicy "Fail") $serving (lt (int .webhook.replicas) 2) }}
  {{- fail "webhook.podFailurePolicy: Fail needs webhook.replicas of 2 or more, else a drained node keeps pods from starting" }}
{{- end }}
{{- end }}
{{- include "llmjob.check.url" . }}
{{- include "llmjob.check.names" . }}
{{- include "llmjob.check.release" . }}
{{- end }}

{{- /* What the controller would refuse at its start, or no API server could call; urlParse refuses a wrong IPv6. */ -}}
{{- define "llmjob.check.url" -}}
{{- with .Values.webhook.url }}
{{- $host := (urlParse .).hostname }}
{{- $label := "[a-z0-9]([-a-z0-9]*[a-z0-9])?" }}
{{- $name := and (le (len $host) 253) (regexMatch (printf "^%s([.]%s)*$" $label $label) (lower $host)) }}
{{- if regexMatch "^[0-9.]+$" $host }}
  {{- $octet := "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" }}
  {{- $name = regexMatch (printf "^(%s[.]){3}%s$" $octet $octet) $host }}
{{- else if contains ":" $host }}
  {{- $name = true }}
{{- end }}
{{- if not $name }}
  {{- fail (printf "webhook.url: the host %q is neither a DNS name (another alphabet as xn--) nor an IP address" $host) }}
{{- end }}
{{- $port := regexFind ":[0-9]+$" . | trimPrefix ":" }}
{{- if and $port (or (lt (atoi $port) 1) (gt (atoi $port) 65535)) }}
  {{- fail (printf "webhook.url: the port %s is none; give 1 to 65535" $port) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Names that objects of this release cannot have, and a namespace where it would not do its work. */ -}}
{{- define "llmjob.check.names" -}}
{{- if not (regexMatch "^[a-z]" .Release.Name) }}
  {{- fail (printf "the release's name %q: begin it with a letter, for Services are named after it" .Release.Name) }}
{{- end }}
{{- if eq .Release.Namespace "default" }}
  {{- fail "the release's namespace is default, and pods of the release's own namespace are never judged: give it a namespace of its own (-n llmjob-system --create-namespace)" }}
{{- end }}
{{- end }}

{{- /* One release a cluster: the configurations have one name. `lookup` finds nothing where no cluster is asked. */ -}}
{{- define "llmjob.check.release" -}}
{{- range $kind := list "MutatingWebhookConfiguration" "ValidatingWebhookConfiguration" }}
{{- $found := lookup "admissionregistration.k8s.io/v1" $kind "" "llmjob-admission" }}
{{- $by := dig "metadata" "annotations" "meta.helm.sh/release-name" "" $found }}
{{- $in := dig "metadata" "annotations" "meta.helm.sh/release-namespace" "" $found }}
{{- if and $by (or (ne $by $.Release.Name) (ne $in $.Release.Namespace)) }}
  {{- fail (printf "llmjob is installed in this cluster already, by release %q in namespace %q, and a cluster holds one: upgrade that, or uninstall it first (helm uninstall %s -n %s)" $by $in $by $in) }}
{{- end }}
{{- end }}
{{- end }}
