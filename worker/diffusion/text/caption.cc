#include "worker/diffusion/text/caption.h"

#include <vector>

#include "worker/diffusion/text/html_text.h"
#include "worker/diffusion/text/pattern.h"
#include "worker/diffusion/text/unicode.h"

namespace mind::diffusion {
namespace {

struct CaptionRule {
  Pattern what;
  std::u32string by;
};
using CaptionRules = std::vector<CaptionRule>;

std::u32string ApplyRules(const CaptionRules& rules, std::u32string text) {
  for (const auto& [what, by] : rules) text = what.Replace(text, by);
  return text;
}

// What looks like an address after "https:" or "www:", or by the end of its host's name.
std::u32string AddressAfter(std::u32string_view scheme) {
  return UR"(\b(?:)" + std::u32string(scheme) + UR"(:(?:/{1,3}|[a-zA-Z0-9%])|[a-zA-Z0-9.\-]+[.])" +
         UR"((?:com|co|ru|net|org|edu|gov|it)[\w/-]*\b/?(?!@)))";
}

const CaptionRules& RulesBeforeMarkup() {
  static const CaptionRules* const rules = new CaptionRules{{Pattern(U"<person>"), U"person"},
                                                            {Pattern(AddressAfter(U"https?")), U""},
                                                            {Pattern(AddressAfter(U"www")), U""}};
  return *rules;
}

// Names, ideographs, dashes, quotes, numbers and files; then signs.
const CaptionRules& RulesOfSigns() {
  static const CaptionRules* const rules = new CaptionRules{
      {Pattern(UR"(@\w+\b)"), U""},
      {Pattern(U"[\u31c0-\u9fff]+"), U""},  // strokes, enclosed and compatibility forms, ideographs
      {Pattern(U"[\\-\u058a\u05be\u1400\u1806\u2010-\u2015\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u301c\u3030\u30a0"
               U"\ufe31\ufe32\ufe58\ufe63\uff0d]+"),
       U"-"},
      {Pattern(U"[`\u00b4\u00ab\u00bb\u201c\u201d\u00a8]"), U"\""},
      {Pattern(U"[\u2018\u2019]"), U"'"},
      {Pattern(U"&quot;?"), U""},
      {Pattern(U"&amp"), U""},
      {Pattern(UR"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})"), U" "},
      {Pattern(UR"(\d:\d\d\s+$)"), U""},
      {Pattern(UR"(\\n)"), U" "},
      {Pattern(UR"(#\d{1,3}\b)"), U""},
      {Pattern(UR"(#\d{5,}\b)"), U""},
      {Pattern(UR"(\b\d{6,}\b)"), U""},
      {Pattern(UR"(\S+\.(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4))"), U""},
      {Pattern(UR"(["']{2,})"), U"\""},
      {Pattern(UR"(\.{2,})"), U" "},
      {Pattern(U"[#\u00ae\u2022\u00a9\u2122&@\u00b7\u00ba\u00bd\u00be\u00bf\u00a1\u00a7~)(\\][}{|\\\\/*]+"),
       U" "},
      {Pattern(UR"(\s+\.\s+)"), U" "}};
  return *rules;
}

// Article numbers, advertisements, sizes, spaces around signs.
const CaptionRules& RulesOfWords() {
  static const CaptionRules* const rules = new CaptionRules{
      {Pattern(UR"(\b[a-zA-Z]{1,3}\d{3,15}\b)"), U""},
      {Pattern(UR"(\b[a-zA-Z]+\d+[a-zA-Z]+\b)"), U""},
      {Pattern(UR"(\b\d+[a-zA-Z]+\d+\b)"), U""},
      {Pattern(UR"((?:worldwide\s+)?(?:free\s+)?shipping)"), U""},
      {Pattern(UR"((?:free\s)?download(?:\sfree)?)"), U""},
      {Pattern(UR"(\bclick\b\s(?:for|on)\s\w+)"), U""},
      {Pattern(UR"(\b(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)(?:\simages?)?)"), U""},
      {Pattern(UR"(\bpage\s+\d+\b)"), U""},
      {Pattern(UR"(\b\d*[a-zA-Z]+\d+[a-zA-Z]+\d+[a-zA-Z\d]*\b)"), U" "},
      {Pattern(U"\\b\\d+\\.?\\d*[x\u0445\u00d7]\\d+\\.?\\d*\\b"), U""},  // the second x is Cyrillic
      {Pattern(UR"(\b\s+:\s+)"), U": "},
      {Pattern(UR"((\D[,./])\b)"), UR"(\1 )"},
      {Pattern(UR"(\s+)"), U" "},
      {Pattern(UR"(^["']([\w\W]+)["']$)"), UR"(\1)"},
      {Pattern(UR"(^['_,\-:;])"), U""},
      {Pattern(UR"(['_,\-:+]$)"), U""},
      {Pattern(UR"(^\.\S+$)"), U""}};
  return *rules;
}

// A name whose words are joined by more than three of these is parted.
std::u32string CaptionWithoutJoints(std::u32string text) {
  static const Pattern* const joint = new Pattern(UR"([\-_])");
  constexpr size_t kMost = 3;
  return joint->Count(text) > kMost ? joint->Replace(text, U" ") : text;
}

std::u32string StrippedCaption(std::u32string_view text) {
  static const Pattern *const front = new Pattern(UR"(^\s+)"), *const back = new Pattern(UR"(\s+$)");
  return back->Replace(front->Replace(text, U""), U"");
}

int AddressHexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int letter = (c | 0x20) - 'a';
  return letter >= 0 && letter < 6 ? letter + 10 : -1;
}

// As addresses write text: "+" for a space, "%20" for a byte.
std::string UnquotedAddress(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? AddressHexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? AddressHexDigit(text[i + 2]) : -1;
    if (low >= 0) {
      bytes += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      bytes += text[i] == '+' ? ' ' : text[i];
    }
  }
  return bytes;
}

std::u32string CaptionCleanedOnce(std::u32string text) {
  text = Lowercase(StrippedCaption(DecodeUtf8(UnquotedAddress(EncodeUtf8(text)))));
  text = TextOfHtml(ApplyRules(RulesBeforeMarkup(), std::move(text)));
  text = Mended(CaptionWithoutJoints(ApplyRules(RulesOfSigns(), std::move(text))));
  text = WithoutReferences(WithoutReferences(text));
  return StrippedCaption(ApplyRules(RulesOfWords(), std::move(text)));
}

}  // namespace

std::string PlainCaption(std::string_view text) {
  return EncodeUtf8(StrippedCaption(Lowercase(DecodeUtf8(text))));
}

std::string CleanCaption(std::string_view text) {
  return EncodeUtf8(CaptionCleanedOnce(CaptionCleanedOnce(DecodeUtf8(text))));
}

}  // namespace mind::diffusion
