#!/usr/bin/env bash
# Make a folder the one commit of the branch `notebooks`:  publish_notebooks.sh FOLDER REPOSITORY WORDS
set -euo pipefail
cd "$1"
git init --quiet --initial-branch notebooks
git add --all
git -c user.name="the book" -c user.email="book@users.noreply.github.com" commit --quiet -m "$3"
git push --force "$2" notebooks
