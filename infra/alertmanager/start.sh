#!/bin/sh
# Start script of Alertmanager in compose: gives the receivers of alertmanager.yml the targets that .env names, then
# starts it with the given arguments. With ALERTMANAGER=cat it prints the configuration instead.
set -eu
umask 077
here=$(dirname "$0")
config=${ALERTMANAGER_CONFIG:-/tmp/alertmanager.yml}

# A value as a YAML string.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"; }

{
  sed '/^receivers:/,$d' "$here/alertmanager.yml"
  echo "receivers:"
  echo "  - name: watchdog"
  if [ -n "${ALERT_WATCHDOG_URL:-}" ]; then
    echo "    webhook_configs:"
    echo "      - { url: $(quoted "$ALERT_WATCHDOG_URL"), send_resolved: false }"
  fi
  echo "  - name: operators"
  if [ -n "${ALERT_SLACK_URL:-}" ]; then
    echo "    slack_configs:"
    echo "      - api_url: $(quoted "$ALERT_SLACK_URL")"
    [ -z "${ALERT_SLACK_CHANNEL:-}" ] || echo "        channel: $(quoted "$ALERT_SLACK_CHANNEL")"
    echo "        send_resolved: true"
    echo "        title: '{{ .Status }}: {{ .CommonLabels.alertname }}'"
    echo "        text: '{{ range .Alerts }}{{ .Annotations.summary }}. {{ .Annotations.description }} ({{ .Annotations.runbook_url }}) {{ end }}'"
  fi
  if [ -n "${ALERT_EMAIL_TO:-}" ]; then
    : "${ALERT_SMTP_HOST:?is needed by ALERT_EMAIL_TO: host:port}"
    echo "    email_configs:"
    echo "      - to: $(quoted "$ALERT_EMAIL_TO")"
    echo "        from: $(quoted "${ALERT_EMAIL_FROM:-$ALERT_EMAIL_TO}")"
    echo "        smarthost: $(quoted "$ALERT_SMTP_HOST")"
    if [ -n "${ALERT_SMTP_USER:-}" ]; then
      echo "        auth_username: $(quoted "$ALERT_SMTP_USER")"
      echo "        auth_password: $(quoted "${ALERT_SMTP_PASSWORD:-}")"
    fi
    echo "        send_resolved: true"
  fi
  if [ -n "${ALERT_WEBHOOK_URL:-}" ]; then
    echo "    webhook_configs:"
    echo "      - { url: $(quoted "$ALERT_WEBHOOK_URL"), send_resolved: true }"
  fi
} > "$config"
[ "${ALERTMANAGER:-}" != cat ] || exec cat "$config"
exec /bin/alertmanager --config.file="$config" "$@"
