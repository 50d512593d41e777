// make-tiny FAMILY DIRECTORY [TOKENIZER] [KIND]: writes a model of a family in small into a new directory,
// for tests of programs that are not built with the engine. TOKENIZER: the directory of CLIP's, for families
// that do not make theirs. make-tiny file FILE [NUMBER]: Stable Diffusion, whole in one file and with CLIP's
// own vocabulary; other numbers give other weights.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/tiny_floyd.h"
#include "tests/support/tiny_flux.h"
#include "tests/support/tiny_flux2.h"
#include "tests/support/tiny_kandinsky.h"
#include "tests/support/tiny_qwen_image.h"
#include "tests/support/tiny_sd3.h"
#include "tests/support/tiny_unclip.h"
#include "tests/support/tiny_xl.h"
#include "tests/support/tiny_z_image.h"
#include "tests/support/whole_file.h"
#include "worker/diffusion/text/clip_bpe.h"
#include "worker/diffusion/weights/safetensors.h"

namespace {

using namespace mind::diffusion;

// Of text encoders that are nearly all of their models ("wordy").
constexpr int64_t kManyTokens = int64_t{2} << 20;

using Write = std::function<void(const std::string& directory, const std::string& tokenizer)>;

struct Family {
  bool tokenizer;                                    // is to be given
  std::vector<std::pair<std::string, Write>> kinds;  // the first: where none is named
};

template <typename Tiny, typename Options>
Write WithTokenizer(const Options& options) {
  return [options](const std::string& to, const std::string& from) { Tiny::Write(to, from, options); };
}
template <typename Tiny, typename Options>
Write Whole(const Options& options) {
  return [options](const std::string& to, const std::string&) { Tiny::Write(to, options); };
}

Write Xl(const TinyXlOptions& options) {
  return WithTokenizer<TinyXl>(options);
}
Write Unclip(const TinyUnclipOptions& options) {
  return WithTokenizer<TinyUnclip>(options);
}
Write Kandinsky(const TinyKandinskyOptions& options) {
  return WithTokenizer<TinyKandinsky>(options);
}
Write Flux(const TinyFluxOptions& options) {
  return WithTokenizer<TinyFlux>(options);
}
Write Floyd(const TinyFloydOptions& options) {
  return Whole<TinyFloyd>(options);
}
Write Flux2(const TinyFlux2Options& options) {
  return Whole<TinyFlux2>(options);
}
Write QwenImage(const TinyQwenImageOptions& options) {
  return Whole<TinyQwenImage>(options);
}

std::map<std::string, Family> Families() {
  return {
      {"xl",
       {true,
        {{"base", Xl({})},
         {"refiner", Xl({.refiner = true})},
         {"edit", Xl({.edit = true})},
         {"steered", Xl({.steered = true})},
         {"fused", Xl({.fused = true})},
         {"prompted", Xl({.prompted = true})}}}},
      {"unclip",
       {true,
        {{"karlo", Unclip({})},
         {"karlo-varied", Unclip({.varies = true})},
         {"stable", Unclip({.stable = true})},
         {"stable-varied", Unclip({.stable = true, .varies = true})}}}},
      {"kandinsky",
       {true,
        {{"kandinsky", Kandinsky({})},
         {"kandinsky-inpaint", Kandinsky({.paints = true})},
         {"kandinsky-combined", Kandinsky({.combined = true})}}}},
      {"sd3", {true, {{"base", WithTokenizer<TinySd3>(TinySd3Options{})}}}},
      {"flux",
       {true,
        {{"dev", Flux({})},
         {"schnell", Flux({.guided = false})},
         {"kontext", Flux({.kontext = true})},
         {"fill", Flux({.fill = true})}}}},
      {"floyd",
       {false,
        {{"first", Floyd({})},
         {"second", Floyd({.enlarges = true})},
         {"cascade", [](const std::string& to, const std::string&) { TinyFloyd::WriteCascade(to); }}}}},
      {"flux2",
       {false,
        {{"base", Flux2({})},
         {"distilled", Flux2({.distilled = true})},
         {"distilled-wordy", Flux2({.distilled = true, .tokens = kManyTokens})}}}},
      {"qwen_image", {false, {{"maker", QwenImage({})}, {"editor", QwenImage({.edits = true})}}}},
      {"zimage",
       {false,
        {{"base", [](const std::string& to, const std::string&) { TinyZImage::Write(to); }},
         {"wordy", [](const std::string& to, const std::string&) { TinyZImage::Write(to, kManyTokens); }}}}},
  };
}

void WriteFile(const std::string& file, uint64_t number) {
  const WholeFile whole(WholeFile::Small(/*xl=*/false, ClipBpeTokenizer::kPublishedVocabulary),
                        WholeFile::Numbers::kRandom, number);
  std::ofstream(file, std::ios::binary)
      << SerializeSafeTensors(whole.AsPublished(), {{"modelspec.resolution", "64x64"}});
}

// What to do by the arguments; null: they are not what is allowed.
std::function<void()> Asked(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2) return nullptr;
  const std::string to = arguments[1];
  if (arguments[0] == "file") {
    if (arguments.size() > 3) return nullptr;
    const uint64_t number = arguments.size() > 2 ? std::strtoull(arguments[2].c_str(), nullptr, 10) : 0;
    return [to, number] { WriteFile(to, number); };
  }
  const std::map<std::string, Family> families = Families();
  const auto family = families.find(arguments[0]);
  if (family == families.end()) return nullptr;
  const size_t needed = family->second.tokenizer ? 3 : 2;
  if (arguments.size() < needed || arguments.size() > needed + 1) return nullptr;
  const std::string tokenizer = family->second.tokenizer ? arguments[2] : "";
  for (const auto& [kind, write] : family->second.kinds) {
    if (arguments.size() > needed && arguments[needed] != kind) continue;
    return [write = write, to, tokenizer] { write(to, tokenizer); };
  }
  return nullptr;
}

int Usage() {
  std::fprintf(stderr, "usage: make-tiny file FILE [NUMBER]\n");
  for (const auto& [name, family] : Families()) {
    std::string kinds;
    for (const auto& [kind, write] : family.kinds) kinds += (kinds.empty() ? "" : "|") + kind;
    std::fprintf(stderr, "       make-tiny %s DIRECTORY%s [%s]\n", name.c_str(),
                 family.tokenizer ? " TOKENIZER" : "", kinds.c_str());
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::function<void()> asked = Asked({argv + 1, argv + argc});
  if (asked == nullptr) return Usage();
  try {
    asked();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make-tiny %s: %s\n", argv[1], e.what());
    return 1;
  }
  return 0;
}
