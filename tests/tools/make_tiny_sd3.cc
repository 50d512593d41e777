// make-tiny-sd3 DIRECTORY TOKENIZER: writes Stable Diffusion 3.5 in small into a new directory, for tests of
// programs that are not built with the engine.
#include <cstdio>
#include <exception>

#include "tests/support/tiny_sd3.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: make-tiny-sd3 DIRECTORY TOKENIZER\n");
    return 2;
  }
  try {
    mind::diffusion::TinySd3::Write(argv[1], argv[2]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-sd3: %s\n", e.what());
    return 1;
  }
  return 0;
}
