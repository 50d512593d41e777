// make-tiny-zimage DIRECTORY: writes a Z-Image in small into a new directory, for tests of programs that are
// not built with the engine.
#include <cstdio>
#include <exception>

#include "tests/support/tiny_z_image.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make-tiny-zimage DIRECTORY\n");
    return 2;
  }
  try {
    mind::diffusion::TinyZImage::Write(argv[1]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-zimage: %s\n", e.what());
    return 1;
  }
  return 0;
}
