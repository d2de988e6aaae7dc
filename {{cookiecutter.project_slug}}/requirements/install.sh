#!/bin/sh
# install.sh VENV ARGUMENTS…: install with ARGUMENTS, which are pip's, into the virtual
# environment VENV. It is created first if it does not work, with $PYTHON or the first
# Python from 3.11 to 3.13. The embedded broker and the pinned numpy have no wheel for 3.14.
#
# uv takes a fifth of pip's time. Without uv on the PATH, the one at $UV is used, or its
# wheel is installed into VENV. pip does everything where uv cannot be had, and where pip
# is set to another index, which uv does not know.
set -eu
here=$(dirname "$0")
venv=$1
shift
if command -v uv >/dev/null; then
  uv=uv options=
else
  uv=${UV:-}
  [ -x "$uv" ] || uv=$venv/bin/uv
  # Like pip, it trusts the system's certificates: a company's proxy may have its own.
  options=--system-certs
fi

supported() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
}

create() {
  python=${PYTHON:-}
  for name in python3 python3.13 python3.12 python3.11; do
    [ -z "$python" ] || break
    ! supported "$name" || python=$name
  done
  if ! supported "${python:-python3}"; then
    echo "Python 3.11, 3.12 or 3.13 is required. Add its path to the command: PYTHON=/path/to/python3"
    exit 1
  fi
  echo "creating $venv …"
  rm -rf "$venv"
  if command -v "$uv" >/dev/null; then
    "$uv" venv --quiet --python "$(command -v "$python")" "$venv"
  elif ! "$python" -m venv "$venv"; then
    echo "Python's module venv is incomplete: install your system's package python3-venv, or uv."
    exit 1
  fi
}

pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

"$venv/bin/python" -c '' 2>/dev/null || create
if ! command -v "$uv" >/dev/null && ! pip config list | grep -q index; then
  echo "installing uv …"
  pip install --quiet --no-compile --only-binary :all: -r "$here/uv.txt" || true
fi
if command -v "$uv" >/dev/null &&
  "$uv" pip install $options --excludes "$here/not-installed.txt" --python "$venv/bin/python" "$@"; then
  exit
fi
# It also installs what not-installed.txt lists, for which it has no option.
echo "installing with pip, which takes a minute …"
pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip
# Compiling everything takes longer than the rest of the installation.
pip install --no-compile "$@"
