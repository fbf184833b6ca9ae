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
{{- include "llmjob.check.release" . }}
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
