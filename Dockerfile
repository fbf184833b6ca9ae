# One image for webhook, controller and command line. The release names BASE by its digest.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m pip install --quiet --require-hashes --requirement requirements/build.txt
RUN python -m venv --without-pip /opt/llmjob
RUN python -m pip --python /opt/llmjob/bin/python install --quiet --no-compile --only-binary :all: \
      --require-hashes --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator/ operator/
RUN python -m hatchling build --target wheel
RUN python -m pip --python /opt/llmjob/bin/python install --quiet --no-compile --no-deps --no-index dist/*.whl
# The root file system is read-only when it runs; bytecode by content stays valid whatever a builder does to file times.
RUN /opt/llmjob/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/llmjob/lib

FROM ${BASE}
# No installer where nothing is ever installed.
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip \
 && rm -rf "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')/ensurepip"
COPY --from=build /opt/llmjob /opt/llmjob
ENV PATH=/opt/llmjob/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# The base image brings its standard library without bytecode: what we import is compiled here, not at each start.
RUN PYTHONDONTWRITEBYTECODE= python -c 'import llmjob.cli.check, llmjob.cli.estimate, llmjob.runtime.processes'
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="llmjob-operator" \
      org.opencontainers.image.description="Keeps LLM jobs from running out of GPU memory on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
WORKDIR /
ENTRYPOINT ["llmjob"]
