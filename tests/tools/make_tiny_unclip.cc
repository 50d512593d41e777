// make-tiny-unclip DIRECTORY TOKENIZER [karlo|karlo-varied|stable|stable-varied]: writes an unCLIP model in
// small into a new directory, for tests of programs that are not built with the engine.
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "tests/support/tiny_unclip.h"

int main(int argc, char** argv) {
  const std::map<std::string, mind::diffusion::TinyUnclipOptions> kinds = {
      {"karlo", {}},
      {"karlo-varied", {.varies = true}},
      {"stable", {.stable = true}},
      {"stable-varied", {.stable = true, .varies = true}}};
  const auto kind = kinds.find(argc == 4 ? argv[3] : "karlo");
  if (argc < 3 || argc > 4 || kind == kinds.end()) {
    std::fprintf(stderr,
                 "usage: make-tiny-unclip DIRECTORY TOKENIZER [karlo|karlo-varied|stable|stable-varied]\n");
    return 2;
  }
  try {
    mind::diffusion::TinyUnclip::Write(argv[1], argv[2], kind->second);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-unclip: %s\n", e.what());
    return 1;
  }
  return 0;
}
