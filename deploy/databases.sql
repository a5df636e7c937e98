-- MLflow's database is made by the image; this one is Optuna's
CREATE DATABASE optuna OWNER digits;
