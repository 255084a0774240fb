# Writes a copy of FILE in which FROM, which must occur exactly once, is TO.
#   cmake -DFILE=... -DOUTPUT=... -DFROM=... -DTO=... -P mutate.cmake
file(READ "${FILE}" text)
string(FIND "${text}" "${FROM}" first)
string(FIND "${text}" "${FROM}" last REVERSE)
if(first EQUAL -1 OR NOT first EQUAL last)
  message(FATAL_ERROR "mutant of ${FILE}: what it changes must occur once there:\n${FROM}")
endif()
string(REPLACE "${FROM}" "${TO}" text "${text}")
file(WRITE "${OUTPUT}" "${text}")
