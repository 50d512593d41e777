// What prompts are read as; whole ones are checked against recorded ones by mind-golden.
#include "worker/diffusion/text/prompt_language.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

using Pieces = std::vector<PromptPiece>;
using testing::AllOf;
using testing::HasSubstr;

TEST(PromptLanguage, BracketsWeigh) {
  EXPECT_EQ(ParsePrompt("a (red:1.5) fox"), (Pieces{{"a ", 1}, {"red", 1.5}, {" fox", 1}}));
  EXPECT_EQ(ParsePrompt("(a) b"), (Pieces{{"a", 1.1}, {" b", 1}}));
  EXPECT_EQ(ParsePrompt("[a] b"), (Pieces{{"a", 1 / 1.1}, {" b", 1}}));
  EXPECT_EQ(ParsePrompt("(a (b:2))"), (Pieces{{"a ", 1.1}, {"b", 2 * 1.1}}));
  EXPECT_EQ(ParsePrompt("(a : -0.5 )"), (Pieces{{"a ", -0.5}}));
  EXPECT_EQ(ParsePrompt("(a:+.5)"), (Pieces{{"a", 0.5}}));
}

TEST(PromptLanguage, WhatIsNotClosedActsToTheEndAndWhatIsNotOpenedIsText) {
  EXPECT_EQ(ParsePrompt("a (b c"), (Pieces{{"a ", 1}, {"b c", 1.1}}));
  EXPECT_EQ(ParsePrompt("a) b] c:1.5)"), (Pieces{{"a) b] c:1.5)", 1}}));
  EXPECT_EQ(ParsePrompt("[a:1.4]"), (Pieces{{"a:1.4", 1 / 1.1}}));
  EXPECT_EQ(ParsePrompt(""), (Pieces{{"", 1}}));
}

TEST(PromptLanguage, ABackslashMakesTextOfABracket) {
  EXPECT_EQ(ParsePrompt("\\(a\\) \\[b\\] c\\\\d \\e"), (Pieces{{"(a) [b] c\\d e", 1}}));
}

TEST(PromptLanguage, BreakIsAWordOfItsOwn) {
  EXPECT_EQ(ParsePrompt("a BREAK b"), (Pieces{{"a", 1}, {"BREAK", -1}, {"b", 1}}));
  EXPECT_TRUE(ParsePrompt("a BREAK b")[1].is_break());
  EXPECT_EQ(ParsePrompt("BREAKFAST a_BREAK \u732bBREAK"), (Pieces{{"BREAKFAST a_BREAK \u732bBREAK", 1}}));
  // In weighted brackets its mark is weighted too, and is none any more.
  EXPECT_FALSE(ParsePrompt("(a BREAK b:1.3)")[1].is_break());
}

TEST(PromptLanguage, AWeightThatIsNoNumberIsNamed) {
  for (const std::string weight : {"1.2.3", ".", "+."}) {
    try {
      ParsePrompt("(version:" + weight + ")");
      ADD_FAILURE() << weight << " is taken";
    } catch (const RequestError& e) {
      EXPECT_THAT(e.what(), AllOf(HasSubstr("a weight that is no number"), HasSubstr("\"" + weight + "\"")));
    }
  }
}

TEST(PromptLanguage, WeightsThatTogetherAreNoNumberAreRefused) {
  const std::string large(300, '9');
  for (const std::string& prompt :
       {std::string(8000, '(') + "a", std::string(8000, '(') + "a" + std::string(8000, ')'),
        "((a:" + large + "):" + large + ")", "(((a:" + large + "):" + large + "):0)"}) {
    try {
      ParsePrompt(prompt);
      ADD_FAILURE() << prompt.substr(0, 20) << " is taken";
    } catch (const RequestError& e) {
      EXPECT_THAT(e.what(), HasSubstr("beyond any number"));
    }
  }
  EXPECT_EQ(ParsePrompt(std::string(8000, '[') + "a").size(), 1U);  // next to nothing is a number
}

}  // namespace
}  // namespace mind::diffusion
