// A language model of the Qwen family in small, with its tokenizer, as text encoder of small models.
#ifndef MIND_TESTS_SUPPORT_TINY_QWEN_H_
#define MIND_TESTS_SUPPORT_TINY_QWEN_H_

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/tiny_model.h"
#include "worker/diffusion/models/qwen_text.h"

namespace mind::diffusion {

class TinyQwen : protected TinyModel {
 protected:
  static constexpr int64_t kTextWidth = 16;
  static constexpr int64_t kTokens = 266, kPictureMark = 265;

  explicit TinyQwen(std::string directory) : TinyModel(directory, /*tokenizer=*/""), directory_(directory) {}

  // The 256 bytes, the word " cat", and the marks from 260 on.
  void WriteTokenizer() const {
    nlohmann::json vocabulary;
    for (int byte = 0; byte < 256; ++byte) vocabulary[Symbol(byte)] = byte;
    const std::vector<std::string> merges = {"c a", "ca t", "\u0120 cat"};
    for (size_t i = 0; i < merges.size(); ++i) {
      const size_t space = merges[i].find(' ');
      vocabulary[merges[i].substr(0, space) + merges[i].substr(space + 1)] = 256 + i;
    }
    nlohmann::json marks;
    for (const std::string text : {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>",
                                   "<|vision_end|>", "<|image_pad|>"})
      marks[std::to_string(260 + marks.size())] = {{"content", text}};
    WriteJson("tokenizer", "vocab.json", vocabulary);
    WriteJson("tokenizer", "tokenizer_config.json",
              {{"tokenizer_class", "Qwen2Tokenizer"},
               {"pad_token", "<|endoftext|>"},
               {"added_tokens_decoder", marks}});
    std::ofstream file(directory_ + "/tokenizer/merges.txt");
    for (const std::string& merge : merges) file << merge << "\n";
  }

  // Qwen 3's, of three layers. `tokens`: that it has numbers for; most of a large one are those.
  void WriteTextEncoder(int64_t tokens = kTokens) const {
    WriteTokenizer();
    const nlohmann::json config = {{"model_type", "qwen3"},     {"vocab_size", tokens},
                                   {"hidden_size", kTextWidth}, {"intermediate_size", 24},
                                   {"num_hidden_layers", 3},    {"num_attention_heads", 4},
                                   {"num_key_value_heads", 2},  {"head_dim", 8}};
    WriteNetwork<QwenText, QwenTextConfig>("text_encoder", "model", config, 1);
  }

 private:
  // What stands for a byte in vocabularies, as GPT-2 has it.
  static std::string Symbol(int byte) {
    const auto printable = [](int b) {
      return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
    };
    int point = byte;
    if (!printable(byte)) {
      point = 256;
      for (int before = 0; before < byte; ++before) point += printable(before) ? 0 : 1;
    }
    if (point < 128) return std::string(1, static_cast<char>(point));
    return {static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 0x3F))};
  }

  const std::string directory_;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_TINY_QWEN_H_
