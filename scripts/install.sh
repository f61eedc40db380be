# Sourced by the scripts here: a virtual environment with the package in it.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ ! -x .venv/bin/python ]; then
  echo "Making .venv ..."
  "${PYTHON:-python3}" -m venv .venv
fi
# Installed anew only when the dependencies have changed.
if ! cat setup.cfg pyproject.toml | cmp -s - .venv/installed; then
  echo "Installing tfvae and what it needs into .venv (a few minutes) ..."
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
  cat setup.cfg pyproject.toml > .venv/installed
fi
export TF_CPP_MIN_LOG_LEVEL=3
