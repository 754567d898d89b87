# The main job in a container: docker build -t hw1cli . && docker run --rm -v "$PWD/runs:/work/runs" hw1cli
# With data and a GPU: docker run --rm --gpus all --ipc=host -v "$PWD/data:/work/data" -v "$PWD/runs:/work/runs" hw1cli
FROM python:3.12-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[export]" && rm -r /wheels
WORKDIR /work
ENTRYPOINT ["hw1cli"]
CMD ["run", "seg_deeplab_focal"]
