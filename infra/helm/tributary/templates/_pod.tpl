{{/* Volumes of files that settings name: certificates and login files. Contracts and keys only in services. */}}
{{- define "tributary.trustVolumes" -}}
{{- with .Values.trust.existingConfigMap }}
- name: trust
  configMap: { name: {{ . | quote }} }
{{- end }}
{{- with .Values.eventLog.clientCertificate.existingSecret }}
- name: kafka
  secret: { secretName: {{ . | quote }} }
{{- end }}
{{- end -}}

{{- define "tributary.trustMounts" -}}
{{- if .Values.trust.existingConfigMap }}
- { name: trust, mountPath: /etc/tributary/trust, readOnly: true }
{{- end }}
{{- if .Values.eventLog.clientCertificate.existingSecret }}
- { name: kafka, mountPath: /etc/tributary/kafka, readOnly: true }
{{- end }}
{{- end -}}

{{/* What the pods of services and of the init job have in common. */}}
{{- define "tributary.podCommon" -}}
automountServiceAccountToken: false
# A Service named tributary would set TRIBUTARY_PORT in every container.
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "tributary.containerCommon" -}}
image: {{ include "tributary.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.containerSecurityContext | nindent 2 }}
{{- end -}}

{{/* (list root component path) */}}
{{- define "tributary.httpProbe" -}}
{{- $root := index . 0 -}}
{{- $isHttps := and (eq (index . 1) "gateway") $root.Values.gateway.tls.existingSecret -}}
httpGet: { path: {{ index . 2 }}, port: http, scheme: {{ ternary "HTTPS" "HTTP" (not (not $isHttps)) }} }
{{- end -}}
