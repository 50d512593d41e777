// make-tiny-qwen-image DIRECTORY [maker|editor]: writes a Qwen-Image or Qwen-Image-Edit in small into a new
// directory, for tests of programs that are not built with the engine.
#include <cstdio>
#include <exception>
#include <string>

#include "tests/support/tiny_qwen_image.h"

int main(int argc, char** argv) {
  const std::string kind = argc == 3 ? argv[2] : "maker";
  if (argc < 2 || argc > 3 || (kind != "maker" && kind != "editor")) {
    std::fprintf(stderr, "usage: make-tiny-qwen-image DIRECTORY [maker|editor]\n");
    return 2;
  }
  try {
    mind::diffusion::TinyQwenImage::Write(argv[1], {.edits = kind == "editor"});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-qwen-image: %s\n", e.what());
    return 1;
  }
  return 0;
}
