// make-tiny-floyd DIRECTORY [first|second|cascade]: writes a DeepFloyd-IF stage, or both and their cascade,
// in small into a new directory, for tests of programs that are not built with the engine.
#include <cstdio>
#include <exception>
#include <string>

#include "tests/support/tiny_floyd.h"

int main(int argc, char** argv) {
  using mind::diffusion::TinyFloyd;
  const std::string kind = argc == 3 ? argv[2] : "first";
  if (argc < 2 || argc > 3 || (kind != "first" && kind != "second" && kind != "cascade")) {
    std::fprintf(stderr, "usage: make-tiny-floyd DIRECTORY [first|second|cascade]\n");
    return 2;
  }
  try {
    if (kind == "cascade") {
      TinyFloyd::WriteCascade(argv[1]);
    } else {
      TinyFloyd::Write(argv[1], {.enlarges = kind == "second"});
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-floyd: %s\n", e.what());
    return 1;
  }
  return 0;
}
