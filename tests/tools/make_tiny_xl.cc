// make-tiny-xl DIRECTORY TOKENIZER [refiner]: writes SDXL in small into a new directory, for tests of
// programs that are not built with the engine.
#include <cstdio>
#include <exception>
#include <string>

#include "tests/support/tiny_xl.h"

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4 || (argc == 4 && std::string(argv[3]) != "refiner")) {
    std::fprintf(stderr, "usage: make-tiny-xl DIRECTORY TOKENIZER [refiner]\n");
    return 2;
  }
  try {
    mind::diffusion::TinyXl::Write(argv[1], argv[2], {.refiner = argc == 4});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-xl: %s\n", e.what());
    return 1;
  }
  return 0;
}
