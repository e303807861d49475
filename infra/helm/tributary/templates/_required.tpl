{{/* Fails with all faults of the values at once, so that one attempt names everything that is missing. */}}
{{- define "tributary.validate" -}}
{{- $v := .Values -}}
{{- $faults := list -}}
{{- if not $v.image.repository }}{{ $faults = append $faults "image.repository: name the image" }}{{ end -}}
{{- if not (hasPrefix "kafka://" $v.eventLog.url) }}{{ $faults = append $faults "eventLog.url: set kafka://host:port" }}{{ end -}}
{{- range $name := list "blobUrl" "dropsUrl" -}}
{{- if not (hasPrefix "s3://" (get $v.objects $name)) }}{{ $faults = append $faults (printf "objects.%s: set s3://bucket" $name) }}{{ end -}}
{{- end -}}
{{- if not (or $v.objects.existingSecret $v.objects.podIdentity) }}{{ $faults = append $faults "objects.existingSecret: name the Secret with the S3 keys, or set objects.podIdentity" }}{{ end -}}
{{- if not (regexMatch "^(trino(\\+https)?://|iceberg:)" $v.warehouse.url) }}{{ $faults = append $faults "warehouse.url: set trino://user@host:port/catalog/schema, or iceberg:" }}{{ end -}}
{{- if and (hasPrefix "trino" $v.warehouse.url) (not $v.objects.stagingUrl) }}{{ $faults = append $faults "objects.stagingUrl: set s3://bucket, where Trino reads staged rows" }}{{ end -}}
{{- if and (eq $v.warehouse.url "iceberg:") (not $v.warehouse.restCatalog.uri) }}{{ $faults = append $faults "warehouse.restCatalog.uri: set the catalog of the warehouse iceberg:" }}{{ end -}}
{{- if and $v.objects.podIdentity $v.warehouse.restCatalog.uri (ne $v.warehouse.commitEngine "trino") }}{{ $faults = append $faults "objects.podIdentity: the writer of a REST catalog needs keys: set objects.existingSecret" }}{{ end -}}
{{- if and $v.objects.podIdentity $v.init.enabled $v.serviceAccount.create }}{{ $faults = append $faults "objects.podIdentity: the init job runs before the chart's ServiceAccount exists: set serviceAccount.create to false and serviceAccount.name, or init.enabled to false" }}{{ end -}}
{{- if and $v.eventLog.sasl.mechanism (not $v.eventLog.sasl.existingSecret) }}{{ $faults = append $faults "eventLog.sasl.existingSecret: name the Secret with user name and password" }}{{ end -}}
{{- if not (or $v.gateway.apiKeys.existingSecret $v.gateway.oidc.issuer) }}{{ $faults = append $faults "gateway.apiKeys.existingSecret: name the Secret with the API keys, or set gateway.oidc.issuer" }}{{ end -}}
{{- if and $v.gateway.oidc.issuer (not $v.gateway.oidc.audience) }}{{ $faults = append $faults "gateway.oidc.audience: set the audience of the issuer's tokens" }}{{ end -}}
{{- if $v.registrar.enabled -}}
{{- if not $v.registrar.superset.url }}{{ $faults = append $faults "registrar.superset.url: set Superset's URL" }}{{ end -}}
{{- if not $v.registrar.superset.existingSecret }}{{ $faults = append $faults "registrar.superset.existingSecret: name the Secret with the password" }}{{ end -}}
{{- end -}}
{{- if and (or $v.parser.autoscaling.enabled $v.committer.autoscaling.enabled) (not $v.keda.prometheus.serverAddress) }}{{ $faults = append $faults "keda.prometheus.serverAddress: set http://host:port of Prometheus" }}{{ end -}}
{{- if and $v.parser.autoscaling.enabled (gt (int $v.parser.autoscaling.maxReplicas) (int $v.eventLog.partitions)) }}{{ $faults = append $faults "parser.autoscaling.maxReplicas: more parsers than eventLog.partitions have no work" }}{{ end -}}
{{- if and $v.serviceMonitor.enabled (not (or $v.gateway.metricsPublic $v.serviceMonitor.gatewayKey.existingSecret)) }}{{ $faults = append $faults "serviceMonitor.gatewayKey.existingSecret: name the Secret with an API key for /metrics, or set gateway.metricsPublic" }}{{ end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}{{ $faults = append $faults "ingress.hosts: name at least one host" }}{{ end -}}
{{- if $faults }}{{ fail (printf "\n  %s\n" (join "\n  " $faults)) }}{{ end -}}
{{- end -}}
