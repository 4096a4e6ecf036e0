"""How much a job may hold. All of it is bounded, so that any answer fits into one gRPC message."""

#: Largest insight (its data and sentences) and largest result of a step, as bytes on the wire. A number of
#: one digit has eleven there, so the length as JSON would say nothing about the answer's size.
MAX_STRUCT_BYTES = 256 << 10
#: All results of a job's steps together, as bytes on the wire: ListSteps answers them at once.
MAX_STEPS_BYTES = 2 << 20
MAX_STEPS = 500
MAX_STEP_NAME_CHARS = 128
MAX_STEP_DURATION_MS = 1e10
MAX_SENTENCES = 32
MAX_SENTENCE_CHARS = 1_024
MAX_STAGES = 1_000
MAX_STAGE_NAME_CHARS = 128
MAX_WORKER_ID_CHARS = 128
MAX_REASON_CHARS = 64
MAX_MESSAGE_CHARS = 1_024
MAX_FAILED = 1_000_000
MAX_MODEL_CHARS = 128
MAX_TOKENS = 10**9
MAX_COST_MICRO_USD = 10**12
