# Writes a copy of FILE in which what is in CHANGE/from.txt, which must occur exactly once, is what is in
# CHANGE/to.txt.
#   cmake -DFILE=... -DOUTPUT=... -DCHANGE=<folder> -P mutate.cmake
file(READ "${FILE}" text)
file(READ "${CHANGE}/from.txt" from)
file(READ "${CHANGE}/to.txt" to)
string(FIND "${text}" "${from}" first)
string(FIND "${text}" "${from}" last REVERSE)
if(first EQUAL -1 OR NOT first EQUAL last)
  message(FATAL_ERROR "mutant of ${FILE}: what it changes must occur once there:\n${from}")
endif()
string(REPLACE "${from}" "${to}" text "${text}")
file(WRITE "${OUTPUT}" "${text}")
