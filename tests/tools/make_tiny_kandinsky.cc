// make-tiny-kandinsky DIRECTORY TOKENIZER [kandinsky|kandinsky-inpaint|kandinsky-combined]: writes Kandinsky
// 2.2 in small into a new directory, for tests of programs that are not built with the engine.
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "tests/support/tiny_kandinsky.h"

int main(int argc, char** argv) {
  const std::map<std::string, mind::diffusion::TinyKandinskyOptions> kinds = {
      {"kandinsky", {}}, {"kandinsky-inpaint", {.paints = true}}, {"kandinsky-combined", {.combined = true}}};
  const auto kind = kinds.find(argc == 4 ? argv[3] : "kandinsky");
  if (argc < 3 || argc > 4 || kind == kinds.end()) {
    std::fprintf(
        stderr,
        "usage: make-tiny-kandinsky DIRECTORY TOKENIZER [kandinsky|kandinsky-inpaint|kandinsky-combined]\n");
    return 2;
  }
  try {
    mind::diffusion::TinyKandinsky::Write(argv[1], argv[2], kind->second);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-kandinsky: %s\n", e.what());
    return 1;
  }
  return 0;
}
