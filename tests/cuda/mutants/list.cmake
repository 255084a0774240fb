# The mutants, by kernel: a barrier that is missing, a fragment turned round, a tail off by one, a
# mask forgotten.
