// make-tiny-zimage DIRECTORY [TOKENS]: writes a Z-Image in small into a new directory, for tests of programs
// that are not built with the engine; with a text encoder that knows so many tokens.
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "tests/support/tiny_z_image.h"

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::fprintf(stderr, "usage: make-tiny-zimage DIRECTORY [TOKENS]\n");
    return 2;
  }
  try {
    if (argc == 2) mind::diffusion::TinyZImage::Write(argv[1]);
    if (argc == 3) mind::diffusion::TinyZImage::Write(argv[1], std::atoll(argv[2]));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-zimage: %s\n", e.what());
    return 1;
  }
  return 0;
}
