// make-tiny-xl DIRECTORY TOKENIZER [refiner|edit|steered|fused|prompted]: writes SDXL in small into a new
// directory, for tests of programs that are not built with the engine.
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "tests/support/tiny_xl.h"

int main(int argc, char** argv) {
  const std::map<std::string, mind::diffusion::TinyXlOptions> kinds = {{"base", {}},
                                                                       {"refiner", {.refiner = true}},
                                                                       {"edit", {.edit = true}},
                                                                       {"steered", {.steered = true}},
                                                                       {"fused", {.fused = true}},
                                                                       {"prompted", {.prompted = true}}};
  const auto kind = kinds.find(argc == 4 ? argv[3] : "base");
  if (argc < 3 || argc > 4 || kind == kinds.end()) {
    std::fprintf(stderr, "usage: make-tiny-xl DIRECTORY TOKENIZER [refiner|edit|steered|fused|prompted]\n");
    return 2;
  }
  try {
    mind::diffusion::TinyXl::Write(argv[1], argv[2], kind->second);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-xl: %s\n", e.what());
    return 1;
  }
  return 0;
}
