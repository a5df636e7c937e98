"""Remembers runs; the only place that imports MLflow."""

from src.process.environment import set_defaults, take_variables

# would send some of what MLflow does to another store than the one that the configuration names
NOT_USED = take_variables(("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME"))
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # a server that is gone is noticed in half a minute, not after many
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # MLflow would print the address of a server with its password
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Variables that MLflow reads when it is imported, and later."""

set_defaults(DEFAULTS)
