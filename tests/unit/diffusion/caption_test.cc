// Prompts made like captions; all cases of the reference are mind-golden's.
#include "worker/diffusion/text/caption.h"

#include <gtest/gtest.h>

#include "worker/diffusion/text/html_text.h"
#include "worker/diffusion/text/pattern.h"

namespace mind::diffusion {
namespace {

TEST(Caption, IsCleaned) {
  EXPECT_EQ(CleanCaption("A \u201cPhoto\u201d of a Dog &amp; 2 cats, https://x.com/y  #12"),
            "a \"photo\" of a dog 2 cats");
  EXPECT_EQ(CleanCaption("this-is-my-cute-cat and this_is_my_cute_cat"),
            "this is my cute cat and this is my cute cat");
  EXPECT_EQ(CleanCaption("\u4e00\u53ea\u732b a cat"), "a cat");
  EXPECT_EQ(CleanCaption("<b>bold</b><script>alert(1)</script> text"), "bold text");
  EXPECT_EQ(CleanCaption("\xff\xfe"), "\ufffd\ufffd");
  EXPECT_EQ(CleanCaption(""), "");
}

TEST(Caption, OrOnlyInLowerCase) {
  EXPECT_EQ(PlainCaption("  A Photo, HTTPS://x.com \u00c9 "), "a photo, https://x.com \u00e9");
}

TEST(Caption, DamagedCharactersAreMended) {
  EXPECT_EQ(Mended(U"\u00e2\u20ac\u0153quotes\u00e2\u20ac\u009d"), U"\"quotes\"");
  EXPECT_EQ(Mended(U"\u2018\ufb01sh\u2019 \uff21\uff11 e\u0301 a\u0007b"), U"'fish' A1 \u00e9 ab");
  EXPECT_EQ(Mended(U"ch\u00e2teau \u00e2 \u20ac5"), U"ch\u00e2teau \u00e2 \u20ac5");
}

TEST(Caption, ReferencesBecomeCharacters) {
  EXPECT_EQ(WithoutReferences(U"&eacute;&hellip;&#65;&#x42;&#150; &copy 3"),
            U"\u00e9\u2026AB\u2013 \u00a9 3");
  EXPECT_EQ(WithoutReferences(U"& &; &# &#x; &xyz; &hellip"), U"& &; &# &#x; &xyz; &hellip");
  EXPECT_EQ(WithoutReferences(U"&#0;&#xd800;&#99999999999;"), U"\ufffd\ufffd\ufffd");
  EXPECT_EQ(TextOfHtml(U"a < b <!-- no --> <i class='x'>c</i> &lt;d&gt; <e"), U"a < b  c <d> <e");
}

TEST(CaptionPattern, MatchesAsPythonsExpressionsDo) {
  EXPECT_EQ(Pattern(UR"(\b\d{2,3}\b)").Replace(U"1 22 333 4444 x55", U"n"), U"1 n n 4444 x55");
  EXPECT_EQ(Pattern(UR"(a(?:b|bc)d)").Replace(U"abd abcd acd", U"x"), U"x x acd");
  EXPECT_EQ(Pattern(UR"((\w+)@)").Replace(U"me@you", UR"([\1])"), U"[me]you");
  EXPECT_EQ(Pattern(UR"(x(?!y))").Replace(U"xy xz x", U"-"), U"xy -z -");
  EXPECT_EQ(Pattern(UR"(^[^a-c]+$)").Replace(U"xyz", U""), U"");
  EXPECT_EQ(Pattern(UR"(^[^a-c]+$)").Replace(U"xaz", U""), U"xaz");
  EXPECT_EQ(Pattern(UR"((?:very )?good)").Replace(U"very good, good", U"ok"), U"ok, ok");
  EXPECT_EQ(Pattern(U"[\\w]+").Count(U"\u00e9t\u00e9 \u0446 \u00bd _"), 4U);
  EXPECT_THROW(Pattern(U"(a"), std::logic_error);
  EXPECT_THROW(Pattern(U"[a"), std::logic_error);
  EXPECT_THROW(Pattern(U"a)"), std::logic_error);
}

// As deep as the expression, not as the text.
TEST(CaptionPattern, LongTextsDoNotExhaustTheStack) {
  const std::u32string text(1'000'000, U'a');
  EXPECT_EQ(Pattern(UR"(^\w+$)").Replace(text, U""), U"");
}

}  // namespace
}  // namespace mind::diffusion
