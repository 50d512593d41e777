// make-tiny-flux2 DIRECTORY [base|distilled [TOKENS]]: writes a FLUX.2 klein in small into a new directory,
// for tests of programs that are not built with the engine; with a text encoder that knows so many tokens.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "tests/support/tiny_flux2.h"

int main(int argc, char** argv) {
  const std::string kind = argc >= 3 ? argv[2] : "base";
  if (argc < 2 || argc > 4 || (kind != "base" && kind != "distilled")) {
    std::fprintf(stderr, "usage: make-tiny-flux2 DIRECTORY [base|distilled [TOKENS]]\n");
    return 2;
  }
  try {
    mind::diffusion::TinyFlux2::Write(
        argv[1], {.distilled = kind == "distilled", .tokens = argc == 4 ? std::atoll(argv[3]) : 0});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-flux2: %s\n", e.what());
    return 1;
  }
  return 0;
}
