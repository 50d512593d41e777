// make-tiny-file FILE [NUMBER]: writes Stable Diffusion in small, whole in one file and with CLIP's own
// vocabulary, for tests of programs that are not built with the engine. Other numbers give other weights.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>

#include "tests/support/whole_file.h"
#include "worker/diffusion/text/clip_bpe.h"
#include "worker/diffusion/weights/safetensors.h"

int main(int argc, char** argv) {
  using namespace mind::diffusion;
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: make-tiny-file FILE [NUMBER]\n");
    return 2;
  }
  try {
    const WholeFile whole(WholeFile::Small(/*xl=*/false, ClipBpeTokenizer::kPublishedVocabulary),
                          WholeFile::Numbers::kRandom, argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0);
    std::ofstream(argv[1], std::ios::binary)
        << SerializeSafeTensors(whole.AsPublished(), {{"modelspec.resolution", "64x64"}});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny-file: %s\n", e.what());
    return 1;
  }
  return 0;
}
