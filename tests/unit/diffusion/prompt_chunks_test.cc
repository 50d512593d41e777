// How prompts are parted into chunks; whole ones are checked against recorded ones by mind-golden.
#include "worker/diffusion/text/prompt_chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// A letter is a token, "," too; blanks are none. 1 begins, 2 ends, 0 pads.
class Letters : public Tokenizer {
 public:
  std::vector<int64_t> Encode(std::string_view text) const override {
    std::vector<int64_t> ids = {1};
    for (const char c : text) {
      if (c != ' ') ids.push_back(c);
    }
    ids.push_back(2);
    return ids;
  }
  std::vector<int64_t> EncodePadded(std::string_view text, size_t length) const override {
    std::vector<int64_t> ids = Encode(text);
    ids.resize(length, 0);
    return ids;
  }
  size_t model_length() const override { return 8; }
  int64_t largest_id() const override { return 127; }
};

// Chunks have room for six tokens. "xy" stands for two vectors, "x" for one, "huge" for seven.
class PromptChunksTest : public testing::Test {
 protected:
  PromptChunks Chunks(const std::string& prompt, PromptReading reading = {}) const {
    return chunker_.Chunks(prompt, reading);
  }
  // What the chunks hold between their marks, learnt words as "?".
  std::vector<std::string> Texts(const std::string& prompt, PromptReading reading = {}) const {
    std::vector<std::string> texts;
    for (const PromptChunk& chunk : Chunks(prompt, reading).chunks) {
      EXPECT_EQ(chunk.ids.size(), 8U);
      EXPECT_EQ(chunk.weights.size(), 8U);
      EXPECT_EQ(chunk.ids.front(), 1);
      std::string& text = texts.emplace_back();
      for (size_t i = 1; chunk.ids[i] != 2; ++i)
        text += chunk.ids[i] == 0 ? '?' : static_cast<char>(chunk.ids[i]);
    }
    return texts;
  }

  const Letters letters_;
  const PromptChunker chunker_{letters_, 8, {"x", "xy", "huge"}, [](const std::string& word) -> int64_t {
                                 return word == "huge" ? 7 : static_cast<int64_t>(word.size());
                               }};
};

TEST_F(PromptChunksTest, AFullChunkIsFollowedByAnother) {
  EXPECT_THAT(Texts("abcdef"), ElementsAre("abcdef"));
  EXPECT_THAT(Texts("abcdefg"), ElementsAre("abcdef", "g"));
  EXPECT_THAT(Texts(""), ElementsAre(""));
  EXPECT_THAT(Chunks("ab").chunks[0].ids, ElementsAre(1, 'a', 'b', 2, 0, 0, 0, 0));
}

TEST_F(PromptChunksTest, WhatFollowsACommaStaysTogether) {
  EXPECT_THAT(Texts("abc,defg"), ElementsAre("abc,", "defg"));
  EXPECT_THAT(Texts("abc,defg", {.comma_backtrack = 3}), ElementsAre("abc,", "defg"));
  EXPECT_THAT(Texts("abc,defg", {.comma_backtrack = 2}), ElementsAre("abc,de", "fg"));
  EXPECT_THAT(Texts("abc,defg", {.comma_backtrack = 0}), ElementsAre("abc,de", "fg"));
  EXPECT_THAT(Texts("abcdef,g"), ElementsAre("abcdef", ",g"));
  // The comma before a chunk's end is no reason in the next one.
  EXPECT_THAT(Texts("abc,defghijk"), ElementsAre("abc,", "defghi", "jk"));
}

TEST_F(PromptChunksTest, BreakEndsAChunk) {
  EXPECT_THAT(Texts("a BREAK b"), ElementsAre("a", "b"));
  EXPECT_THAT(Texts("BREAK"), ElementsAre(""));
  EXPECT_THAT(Texts("a BREAK b", {.emphasis = Emphasis::kNone}), ElementsAre("aBREAK", "b"));
}

TEST_F(PromptChunksTest, TokensHaveTheWeightOfTheirPiece) {
  EXPECT_THAT(Chunks("a(b:2)c").chunks[0].weights, ElementsAre(1, 1, 2, 1, 1, 1, 1, 1));
  EXPECT_THAT(Texts("(b:2)", {.emphasis = Emphasis::kNone}), ElementsAre("(b:2)"));
}

TEST_F(PromptChunksTest, LearntWordsKeepTheirPlacesAndAreNeverParted) {
  const PromptChunk chunk = Chunks("axyb(x:2)").chunks.at(0);
  EXPECT_THAT(chunk.ids, ElementsAre(1, 'a', 0, 0, 'b', 0, 2, 0));
  EXPECT_THAT(chunk.weights, ElementsAre(1, 1, 1, 1, 1, 2, 1, 1));
  ASSERT_EQ(chunk.words.size(), 2U);  // the longest name that fits
  EXPECT_EQ(chunk.words[0].name, "xy");
  EXPECT_EQ(chunk.words[0].place, 2);
  EXPECT_EQ(chunk.words[1].name, "x");
  EXPECT_THAT(Texts("abcdexy"), ElementsAre("abcde", "??"));
  // A word that moves to the next chunk takes its vectors along.
  const PromptChunks moved = Chunks("ab,xycde");
  ASSERT_EQ(moved.chunks.size(), 2U);
  EXPECT_TRUE(moved.chunks[0].words.empty());
  ASSERT_EQ(moved.chunks[1].words.size(), 1U);
  EXPECT_EQ(moved.chunks[1].words[0].place, 1);
}

TEST_F(PromptChunksTest, WhatIsCutOffIsCounted) {
  const PromptChunks cut = Chunks("abcdefghijklmn", {.most_chunks = 2});
  EXPECT_EQ(cut.chunks.size(), 2U);
  EXPECT_EQ(cut.tokens_cut, 2);
  EXPECT_EQ(Chunks("abcdefghijkl", {.most_chunks = 2}).tokens_cut, 0);
}

TEST_F(PromptChunksTest, AWordWithMoreVectorsThanAChunkHasRoomForIsNamed) {
  try {
    Chunks("a huge");
    ADD_FAILURE();
  } catch (const RequestError& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("\"huge\""), HasSubstr("7 vectors"), HasSubstr("room for 6")));
  }
}

}  // namespace
}  // namespace mind::diffusion
