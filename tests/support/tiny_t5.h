// T5's text encoder in small, with random weights, and a tokenizer of letters for it.
#ifndef MIND_TESTS_SUPPORT_TINY_T5_H_
#define MIND_TESTS_SUPPORT_TINY_T5_H_

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tests/support/tiny_model.h"
#include "worker/diffusion/models/t5_text.h"

namespace mind::diffusion {

class TinyT5 : protected TinyModel {
 protected:
  static constexpr int64_t kT5Width = 16;

  // `tokenizer`: as TinyModel's.
  TinyT5(std::string directory, std::string tokenizer)
      : TinyModel(directory, std::move(tokenizer)), directory_(std::move(directory)) {}

  void WriteT5(const std::string& tokenizer, const std::string& encoder) const {
    WriteLetters(tokenizer);
    const nlohmann::json config = {
        {"model_type", "t5"}, {"vocab_size", kVocabulary}, {"d_model", kT5Width}, {"d_kv", 4},
        {"d_ff", 24},         {"num_layers", 2},           {"num_heads", 4}};
    WriteNetwork<T5Text, T5TextConfig>(encoder, "model", config, 1);
  }

 private:
  static constexpr int64_t kVocabulary = 40;

  // A message's field of bytes, or of a number, shorter than 128.
  static std::string Field(int number, std::string_view bytes) {
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())}.append(bytes);
  }
  static std::string Number(std::string_view tag, int value) {
    return std::string(tag) + static_cast<char>(value);
  }
  // sentencepiece_model.proto's SentencePiece.
  static std::string Piece(std::string_view text, float score, int type) {
    std::string number(sizeof score, '\0');
    std::memcpy(number.data(), &score, sizeof score);
    return Field(1, Field(1, text) + "\x15" + number + Number("\x18", type));
  }

  // Letters, a word, and the marks in T5's order.
  void WriteLetters(const std::string& folder) const {
    constexpr int kNormal = 1, kUnknown = 2, kControl = 3;
    std::string file = Piece("<pad>", 0, kControl) + Piece("</s>", 0, kControl) + Piece("<unk>", 0, kUnknown);
    file += Piece("\u2581", -2, kNormal) + Piece("\u2581cat", -3, kNormal);
    for (char letter = 'a'; letter <= 'z'; ++letter) file += Piece(std::string(1, letter), -4, kNormal);
    // TrainerSpec: model_type unigram, eos_id, pad_id.
    file += Field(2, Number("\x18", 1) + Number("\xd0\x02", 1) + Number("\xd8\x02", 0));
    WriteJson(folder, "tokenizer_config.json",
              {{"tokenizer_class", "T5Tokenizer"}, {"extra_ids", 4}, {"model_max_length", 512}});
    std::ofstream(directory_ + "/" + folder + "/spiece.model", std::ios::binary) << file;
  }

  const std::string directory_;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_T5_H_
