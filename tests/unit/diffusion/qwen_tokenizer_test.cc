// Qwen's tokenizer over a vocabulary of bytes and one word; all cases of the reference are mind-golden's.
#include "worker/diffusion/text/qwen_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_z_image.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/text/chat_prompt.h"
#include "worker/diffusion/text/qwen_words.h"

namespace mind::diffusion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class QwenTokenizerTest : public testing::Test {
 protected:
  QwenTokenizerTest() { TinyZImage::WriteTokenizerTo(folder_.path()); }

  std::string directory() const { return folder_.path() + "/tokenizer"; }
  std::unique_ptr<QwenTokenizer> Read() const { return QwenTokenizer::FromDirectory(directory()); }
  std::string Refusal() const {
    try {
      Read();
    } catch (const ModelError& e) {
      return e.what();
    }
    return "";
  }

  // A tokenizer.json that says what vocab.json and merges.txt say, but for `keys`.
  void WriteWhole(const nlohmann::json& keys) const {
    nlohmann::json file = {{"added_tokens", {{{"id", 260}, {"content", "<|endoftext|>"}}}},
                           {"normalizer", {{"type", "NFC"}}},
                           {"pre_tokenizer",
                            {{"type", "Sequence"},
                             {"pretokenizers",
                              {{{"type", "Split"},
                                {"pattern", {{"Regex", kQwenWords}}},
                                {"behavior", "Isolated"},
                                {"invert", false}},
                               {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}}},
                           {"model",
                            {{"type", "BPE"},
                             {"vocab", nlohmann::json::parse(std::ifstream(directory() + "/vocab.json"))},
                             {"merges", {nlohmann::json::array({"c", "a"}), "ca t"}}}}};
    file.merge_patch(keys);
    std::ofstream(directory() + "/tokenizer.json") << file;
  }

  const mind::support::ModelFolder folder_;
};

TEST_F(QwenTokenizerTest, MergesBytesWithinWords) {
  const auto tokenizer = Read();
  EXPECT_THAT(tokenizer->Encode(""), ElementsAre());
  EXPECT_THAT(tokenizer->Encode("cat cat"), ElementsAre(257, 258));
  // é is composed before it is taken for bytes.
  EXPECT_THAT(tokenizer->Encode("e\u0301"), ElementsAre(0xC3, 0xA9));
  EXPECT_EQ(tokenizer->largest_id(), 265);
}

TEST_F(QwenTokenizerTest, MarksThatAreWrittenOutAreThemselves) {
  EXPECT_THAT(Read()->Encode("<|im_start|>cat<|im_end|>"), ElementsAre(261, 257, 262));
  EXPECT_THAT(Read()->Encode("<<|im_end|>"), ElementsAre('<', 262));
  EXPECT_EQ(Read()->Encode("<|im_end>").size(), 9U);
}

TEST_F(QwenTokenizerTest, IsCutAndPaddedBehind) {
  EXPECT_THAT(Read()->EncodePadded("cat", 3), ElementsAre(257, 260, 260));
  EXPECT_THAT(Read()->EncodePadded("cat cat", 1), ElementsAre(257));
}

TEST_F(QwenTokenizerTest, TheWholeFileGoesBeforeTheParts) {
  WriteWhole(nlohmann::json::object());
  EXPECT_THAT(Read()->Encode("cat cat<|im_start|>"),
              ElementsAre(257, ' ', 257, '<', '|', 'i', 'm', '_', 's', 't', 'a', 'r', 't', '|', '>'));
}

TEST_F(QwenTokenizerTest, OtherRulesAreRefusedByName) {
  WriteWhole({{"normalizer", {{"type", "NFKC"}}}});
  EXPECT_THAT(Refusal(), HasSubstr("tokenizer.json: \"normalizer\" is {\"type\":\"NFKC\"}; supported: NFC"));
  WriteWhole({{"pre_tokenizer", {{"type", "Whitespace"}}}});
  EXPECT_THAT(Refusal(), HasSubstr("\"pre_tokenizer\""));
  WriteWhole({{"model", {{"type", "Unigram"}}}});
  EXPECT_THAT(Refusal(), HasSubstr("\"model.type\" is \"Unigram\"; supported: BPE"));
  WriteWhole({{"model", {{"byte_fallback", true}}}});
  EXPECT_THAT(Refusal(), HasSubstr("\"model.byte_fallback\""));
  WriteWhole({{"model", {{"vocab", {{"a", nullptr}}}}}});
  EXPECT_THAT(Refusal(), HasSubstr("lacks one of the 256 bytes"));
  WriteWhole({{"model", {{"merges", {7}}}}});
  EXPECT_THAT(Refusal(), HasSubstr("a merge is not a pair"));
  WriteWhole({{"added_tokens", {{{"id", 260}, {"content", "x"}, {"lstrip", true}}}}});
  EXPECT_THAT(Refusal(), HasSubstr("\"lstrip\""));
  WriteWhole({{"added_tokens", {{{"id", -1}, {"content", "x"}}}}});
  EXPECT_THAT(Refusal(), HasSubstr("id -1"));
}

TEST_F(QwenTokenizerTest, WhatIsMissingIsNamed) {
  std::filesystem::remove(directory() + "/merges.txt");
  EXPECT_THAT(Refusal(), HasSubstr("merges.txt"));
  std::ofstream(directory() + "/tokenizer_config.json") << R"({"pad_token": "<nothing>"})";
  std::ofstream(directory() + "/merges.txt") << "c a\n";
  EXPECT_THAT(Refusal(), HasSubstr("the pad_token \"<nothing>\" is no token"));
}

// Lengths of the pieces of a text.
std::vector<size_t> WordLengths(std::u32string_view text) {
  std::vector<size_t> lengths;
  for (; !text.empty(); text.remove_prefix(lengths.back())) lengths.push_back(QwenWordLength(text));
  return lengths;
}

TEST(QwenTokenizerWords, AreCutAsTheRuleSays) {
  EXPECT_THAT(WordLengths(U"I'LL it's 'x"), ElementsAre(1, 3, 3, 2, 2, 1));
  EXPECT_THAT(WordLengths(U"12 a"), ElementsAre(1, 1, 2));
  EXPECT_THAT(WordLengths(U" !?\n\nb"), ElementsAre(5, 1));
  EXPECT_THAT(WordLengths(U"a  \n  b"), ElementsAre(1, 3, 1, 2));
  EXPECT_THAT(WordLengths(U"a   "), ElementsAre(1, 3));
  EXPECT_THAT(WordLengths(U"\tb\u3000c"), ElementsAre(2, 2));
  EXPECT_THAT(WordLengths(U"'\u017Ftop"), ElementsAre(2, 3));
}

TEST(QwenTokenizerTurns, PicturesStandBeforeThePrompt) {
  EXPECT_EQ(ChatTurn("a"), "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_THAT(EditingTurn("a", 2).text,
              HasSubstr("<|im_start|>user\nPicture 1: <|vision_start|><|image_pad|><|vision_end|>Picture 2: "
                        "<|vision_start|><|image_pad|><|vision_end|>a<|im_end|>"));
  EXPECT_THAT(EditingTurn("a", 0).text, HasSubstr("<|im_start|>user\na<|im_end|>"));
}

}  // namespace
}  // namespace mind::diffusion
