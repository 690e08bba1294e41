# An image that serves an exported pipeline, without torch: docs/how-to/deploy.md
FROM python:3.11-slim

# A folder in packages/ with a wheel of an exported pipeline, and the name of its package
ARG DATASET=four-domains
ARG PIPELINE=en_bilstm_crf_ner

RUN --mount=type=bind,target=/src \
    wheels="$(find /src/dist /src/packages/$DATASET -name '*.whl')" \
    && pip install --no-cache-dir --no-deps -r /src/requirements-runtime.txt $wheels

ENV OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1 PIPELINE=$PIPELINE
USER nobody
EXPOSE 8080
HEALTHCHECK --start-period=10s \
    CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health')"
CMD exec python -m spacy bilstm-crf serve "$PIPELINE" --host 0.0.0.0
