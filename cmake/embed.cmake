# Writes OUTPUT, a C++ source that holds FILES by name, as FUNCTION of NAMESPACE gives them, which HEADER declares.
set(entries "")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "\\\\x\\1" escaped "${bytes}")
  string(LENGTH "${bytes}" digits)
  math(EXPR size "${digits} / 2")
  string(APPEND entries "    {\"${name}\", std::string(\"${escaped}\", ${size})},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"${HEADER}\"

namespace ${NAMESPACE} {

std::map<std::string, std::string> ${FUNCTION}() {
  return {
${entries}  };
}

}  // namespace ${NAMESPACE}
")
