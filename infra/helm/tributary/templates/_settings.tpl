{{/* Settings of all services that are no secrets, as a YAML map. */}}
{{- define "tributary.settings" -}}
{{- $v := .Values -}}
{{- $catalog := $v.warehouse.restCatalog -}}
TRIBUTARY_LOG_URL: {{ $v.eventLog.url | quote }}
TRIBUTARY_LOG_PARTITIONS: {{ $v.eventLog.partitions | quote }}
{{- if $v.eventLog.tls }}
TRIBUTARY_KAFKA_TLS: "true"
{{- end }}
{{- with $v.eventLog.sasl.mechanism }}
TRIBUTARY_KAFKA_SASL: {{ . | quote }}
{{- end }}
{{- with $v.eventLog.clientCertificate }}
{{- if .existingSecret }}
TRIBUTARY_KAFKA_CERT_FILE: {{ printf "/etc/tributary/kafka/%s" .certKey | quote }}
TRIBUTARY_KAFKA_KEY_FILE: {{ printf "/etc/tributary/kafka/%s" .keyKey | quote }}
{{- end }}
{{- end }}
TRIBUTARY_BLOB_URL: {{ $v.objects.blobUrl | quote }}
TRIBUTARY_DROPS_URL: {{ $v.objects.dropsUrl | quote }}
{{- with $v.objects.stagingUrl }}
TRIBUTARY_STAGING_URL: {{ . | quote }}
{{- end }}
{{- with $v.objects.endpoint }}
TRIBUTARY_S3_ENDPOINT: {{ . | quote }}
{{- end }}
TRIBUTARY_S3_REGION: {{ $v.objects.region | quote }}
TRIBUTARY_WAREHOUSE_URL: {{ $v.warehouse.url | quote }}
TRIBUTARY_COMMIT_ENGINE: {{ $v.warehouse.commitEngine | quote }}
{{- with $catalog.uri }}
TRIBUTARY_REST_CATALOG_URI: {{ . | quote }}
{{- end }}
{{- with $catalog.warehouse }}
TRIBUTARY_REST_CATALOG_WAREHOUSE: {{ . | quote }}
{{- end }}
{{- with $catalog.prefix }}
TRIBUTARY_REST_CATALOG_PREFIX: {{ . | quote }}
{{- end }}
{{- with $catalog.oauth2ServerUri }}
TRIBUTARY_REST_CATALOG_OAUTH2_SERVER_URI: {{ . | quote }}
{{- end }}
{{- with $catalog.oauth2Scope }}
TRIBUTARY_REST_CATALOG_OAUTH2_SCOPE: {{ . | quote }}
{{- end }}
{{- with $catalog.sigv4Service }}
TRIBUTARY_REST_CATALOG_SIGV4_SERVICE: {{ . | quote }}
{{- end }}
{{- with $catalog.trinoName }}
TRIBUTARY_REST_CATALOG_TRINO_NAME: {{ . | quote }}
{{- end }}
{{- if $v.trust.existingConfigMap }}
TRIBUTARY_CA_FILE: {{ printf "/etc/tributary/trust/%s" $v.trust.key | quote }}
{{- end }}
{{- range $name, $value := $v.settings }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Secrets of all services, as a list of environment variables by reference. */}}
{{- define "tributary.secretEnv" -}}
{{- $v := .Values -}}
{{- $refs := list -}}
{{- with $v.objects }}{{ if .existingSecret -}}
{{- $refs = append $refs (list "TRIBUTARY_S3_ACCESS_KEY" .existingSecret .accessKeyKey) -}}
{{- $refs = append $refs (list "TRIBUTARY_S3_SECRET_KEY" .existingSecret .secretKeyKey) -}}
{{- end }}{{ end -}}
{{- with $v.eventLog.sasl }}{{ if .mechanism -}}
{{- $refs = append $refs (list "TRIBUTARY_KAFKA_USERNAME" .existingSecret .usernameKey) -}}
{{- $refs = append $refs (list "TRIBUTARY_KAFKA_PASSWORD" .existingSecret .passwordKey) -}}
{{- end }}{{ end -}}
{{- with $v.warehouse.trinoPassword }}{{ if .existingSecret -}}
{{- $refs = append $refs (list "TRIBUTARY_TRINO_PASSWORD" .existingSecret .key) -}}
{{- end }}{{ end -}}
{{- with $v.warehouse.restCatalog.credential }}{{ if .existingSecret -}}
{{- $refs = append $refs (list "TRIBUTARY_REST_CATALOG_CREDENTIAL" .existingSecret .key) -}}
{{- end }}{{ end -}}
{{- with $v.warehouse.restCatalog.token }}{{ if .existingSecret -}}
{{- $refs = append $refs (list "TRIBUTARY_REST_CATALOG_TOKEN" .existingSecret .key) -}}
{{- end }}{{ end -}}
{{- range $refs }}
{{ include "tributary.secretVariable" . }}
{{- end }}
{{- end -}}

{{/* (list variable secret key) */}}
{{- define "tributary.secretVariable" -}}
- name: {{ index . 0 }}
  valueFrom: { secretKeyRef: { name: {{ index . 1 | quote }}, key: {{ index . 2 | quote }} } }
{{- end -}}

{{/* What one service has beside the settings of all, as a list of environment variables: (list root component). */}}
{{- define "tributary.ownEnv" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $own := get $root.Values $component -}}
{{- $prefix := ternary "TRIBUTARY" (printf "TRIBUTARY_%s" (upper $component)) (eq $component "gateway") -}}
- { name: {{ $prefix }}_HOST, value: {{ $root.Values.bindAddress | quote }} }
- { name: {{ $prefix }}_PORT, value: "8080" }
- { name: TRIBUTARY_CONTRACTS_DIR, value: /etc/tributary/contracts }
# Only the gateway can ask for a key. The network policy guards the others.
- { name: TRIBUTARY_METRICS_PUBLIC, value: {{ ternary $root.Values.gateway.metricsPublic true (eq $component "gateway") | quote }} }
{{- if eq $component "gateway" }}
{{- if $own.apiKeys.existingSecret }}
- { name: TRIBUTARY_API_KEYS_FILE, value: {{ printf "/etc/tributary/api-keys/%s" $own.apiKeys.key | quote }} }
{{- end }}
{{- if $own.oidc.issuer }}
- { name: TRIBUTARY_OIDC_ISSUER, value: {{ $own.oidc.issuer | quote }} }
- { name: TRIBUTARY_OIDC_AUDIENCE, value: {{ $own.oidc.audience | quote }} }
{{- end }}
{{- if $own.tls.existingSecret }}
- { name: TRIBUTARY_TLS_CERT_FILE, value: /etc/tributary/tls/tls.crt }
- { name: TRIBUTARY_TLS_KEY_FILE, value: /etc/tributary/tls/tls.key }
{{- end }}
{{- with $own.trustedProxies }}
- { name: TRIBUTARY_TRUSTED_PROXIES, value: {{ join "," . | quote }} }
{{- end }}
{{- end }}
{{- if eq $component "parser" }}
# Node counts the cores of the machine, not those of the container.
- { name: TRIBUTARY_PARSER_WORKERS, value: {{ $own.workers | quote }} }
{{- end }}
{{- if eq $component "committer" }}
- { name: TRIBUTARY_COMMITS_AT_ONCE, value: {{ $own.commitsAtOnce | quote }} }
{{- end }}
{{- if eq $component "registrar" }}
- { name: TRIBUTARY_SUPERSET_URL, value: {{ $own.superset.url | quote }} }
- { name: TRIBUTARY_SUPERSET_USER, value: {{ $own.superset.user | quote }} }
{{ include "tributary.secretVariable" (list "TRIBUTARY_SUPERSET_PASSWORD" $own.superset.existingSecret $own.superset.passwordKey) }}
{{- with $own.superset.trinoUrl }}
- { name: TRIBUTARY_SUPERSET_TRINO_URL, value: {{ . | quote }} }
{{- end }}
{{- end }}
{{- range $name, $value := $own.settings }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end -}}
