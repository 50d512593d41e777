// make-tiny-flux DIRECTORY TOKENIZER [schnell|kontext|fill]: writes FLUX.1 in small into a new directory, for
// tests of programs that are not built with the engine.
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "tests/support/tiny_flux.h"

int main(int argc, char** argv) {
  const std::map<std::string, mind::diffusion::TinyFluxOptions> kinds = {
      {"dev", {}}, {"schnell", {.guided = false}}, {"kontext", {.kontext = true}}, {"fill", {.fill = true}}};
  const auto kind = kinds.find(argc == 4 ? argv[3] : "dev");
  if (argc < 3 || argc > 4 || kind == kinds.end()) {
    std::fprintf(stderr, "usage: make-tiny-flux DIRECTORY TOKENIZER [schnell|kontext|fill]\n");
    return 2;
  }
  try {
    mind::diffusion::TinyFlux::Write(argv[1], argv[2], kind->second);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-flux: %s\n", e.what());
    return 1;
  }
  return 0;
}
