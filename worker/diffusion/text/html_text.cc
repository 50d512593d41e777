#include "worker/diffusion/text/html_text.h"

#include <algorithm>
#include <map>

#include "worker/diffusion/text/unicode.h"

namespace mind::diffusion {
namespace {

constexpr char32_t kNoReference = 0, kHtmlReplacement = 0xFFFD, kGreatestCharacter = 0x10FFFF;

// Of U+00A0 and what follows it; a semicolon after these may be left out.
constexpr const char* kHtmlLatin1Names[] = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",    "copy",
    "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn", "sup2",   "sup3",
    "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",   "raquo",  "frac14", "frac12",
    "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde", "Auml",   "Aring",  "AElig",  "Ccedil",
    "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave", "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde",
    "Ograve", "Oacute", "Ocirc",  "Otilde", "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",
    "Uuml",   "Yacute", "THORN",  "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",
    "aelig",  "ccedil", "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",
    "eth",    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
    "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml",
};
// Of U+0080 and what follows it, where Windows-1252 has a character.
constexpr char32_t kWindows1252[] = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021,
                                     0x2C6,  0x2030, 0x160,  0x2039, 0x152,  0x8D,   0x17D,  0x8F,
                                     0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                     0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};

struct HtmlName {
  char32_t character = kNoReference;
  bool closes_itself = false;  // needs no semicolon
};

const std::map<std::string, HtmlName>& HtmlNames() {
  static const std::map<std::string, HtmlName>* const names = [] {
    auto* all = new std::map<std::string, HtmlName>{{"quot", {0x22, true}},
                                                    {"amp", {0x26, true}},
                                                    {"lt", {0x3C, true}},
                                                    {"gt", {0x3E, true}},
                                                    {"apos", {0x27}}};
    char32_t latin1 = 0xA0;
    for (const char* const name : kHtmlLatin1Names) (*all)[name] = {latin1++, true};
    const std::pair<const char*, char32_t> others[] = {
        {"OElig", 0x152},   {"oelig", 0x153},    {"Scaron", 0x160},   {"scaron", 0x161},  {"Yuml", 0x178},
        {"fnof", 0x192},    {"circ", 0x2c6},     {"tilde", 0x2dc},    {"Alpha", 0x391},   {"Beta", 0x392},
        {"Gamma", 0x393},   {"Delta", 0x394},    {"Epsilon", 0x395},  {"Zeta", 0x396},    {"Eta", 0x397},
        {"Theta", 0x398},   {"Iota", 0x399},     {"Kappa", 0x39a},    {"Lambda", 0x39b},  {"Mu", 0x39c},
        {"Nu", 0x39d},      {"Xi", 0x39e},       {"Omicron", 0x39f},  {"Pi", 0x3a0},      {"Rho", 0x3a1},
        {"Sigma", 0x3a3},   {"Tau", 0x3a4},      {"Upsilon", 0x3a5},  {"Phi", 0x3a6},     {"Chi", 0x3a7},
        {"Psi", 0x3a8},     {"Omega", 0x3a9},    {"alpha", 0x3b1},    {"beta", 0x3b2},    {"gamma", 0x3b3},
        {"delta", 0x3b4},   {"epsilon", 0x3b5},  {"zeta", 0x3b6},     {"eta", 0x3b7},     {"theta", 0x3b8},
        {"iota", 0x3b9},    {"kappa", 0x3ba},    {"lambda", 0x3bb},   {"mu", 0x3bc},      {"nu", 0x3bd},
        {"xi", 0x3be},      {"omicron", 0x3bf},  {"pi", 0x3c0},       {"rho", 0x3c1},     {"sigmaf", 0x3c2},
        {"sigma", 0x3c3},   {"tau", 0x3c4},      {"upsilon", 0x3c5},  {"phi", 0x3c6},     {"chi", 0x3c7},
        {"psi", 0x3c8},     {"omega", 0x3c9},    {"thetasym", 0x3d1}, {"upsih", 0x3d2},   {"piv", 0x3d6},
        {"ensp", 0x2002},   {"emsp", 0x2003},    {"thinsp", 0x2009},  {"zwnj", 0x200c},   {"zwj", 0x200d},
        {"lrm", 0x200e},    {"rlm", 0x200f},     {"ndash", 0x2013},   {"mdash", 0x2014},  {"lsquo", 0x2018},
        {"rsquo", 0x2019},  {"sbquo", 0x201a},   {"ldquo", 0x201c},   {"rdquo", 0x201d},  {"bdquo", 0x201e},
        {"dagger", 0x2020}, {"Dagger", 0x2021},  {"bull", 0x2022},    {"hellip", 0x2026}, {"permil", 0x2030},
        {"prime", 0x2032},  {"Prime", 0x2033},   {"lsaquo", 0x2039},  {"rsaquo", 0x203a}, {"oline", 0x203e},
        {"frasl", 0x2044},  {"euro", 0x20ac},    {"image", 0x2111},   {"weierp", 0x2118}, {"real", 0x211c},
        {"trade", 0x2122},  {"alefsym", 0x2135}, {"larr", 0x2190},    {"uarr", 0x2191},   {"rarr", 0x2192},
        {"darr", 0x2193},   {"harr", 0x2194},    {"crarr", 0x21b5},   {"lArr", 0x21d0},   {"uArr", 0x21d1},
        {"rArr", 0x21d2},   {"dArr", 0x21d3},    {"hArr", 0x21d4},    {"forall", 0x2200}, {"part", 0x2202},
        {"exist", 0x2203},  {"empty", 0x2205},   {"nabla", 0x2207},   {"isin", 0x2208},   {"notin", 0x2209},
        {"ni", 0x220b},     {"prod", 0x220f},    {"sum", 0x2211},     {"minus", 0x2212},  {"lowast", 0x2217},
        {"radic", 0x221a},  {"prop", 0x221d},    {"infin", 0x221e},   {"ang", 0x2220},    {"and", 0x2227},
        {"or", 0x2228},     {"cap", 0x2229},     {"cup", 0x222a},     {"int", 0x222b},    {"there4", 0x2234},
        {"sim", 0x223c},    {"cong", 0x2245},    {"asymp", 0x2248},   {"ne", 0x2260},     {"equiv", 0x2261},
        {"le", 0x2264},     {"ge", 0x2265},      {"sub", 0x2282},     {"sup", 0x2283},    {"nsub", 0x2284},
        {"sube", 0x2286},   {"supe", 0x2287},    {"oplus", 0x2295},   {"otimes", 0x2297}, {"perp", 0x22a5},
        {"sdot", 0x22c5},   {"lceil", 0x2308},   {"rceil", 0x2309},   {"lfloor", 0x230a}, {"rfloor", 0x230b},
        {"lang", 0x2329},   {"rang", 0x232a},    {"loz", 0x25ca},     {"spades", 0x2660}, {"clubs", 0x2663},
        {"hearts", 0x2665}, {"diams", 0x2666},
    };
    for (const auto& [name, character] : others) (*all)[name] = {character};
    return all;
  }();
  return *names;
}

bool IsHtmlLetter(char32_t c) {
  return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
}
bool IsHtmlDigit(char32_t c) {
  return c >= U'0' && c <= U'9';
}

// A reference at the beginning of `text`, which begins with "&".
struct HtmlReference {
  size_t length = 0;  // 0: there is none
  char32_t character = kNoReference;
};

// "&#…"
HtmlReference HtmlNumberAt(std::u32string_view text) {
  const bool hexadecimal = text.size() > 2 && (text[2] == U'x' || text[2] == U'X');
  const size_t begin = hexadecimal ? 3 : 2;
  size_t end = begin;
  char32_t number = 0;
  for (; end < text.size(); ++end) {
    const char32_t c = text[end] | 0x20;  // letters in lower case; digits stay what they are
    const bool letter = hexadecimal && c >= U'a' && c <= U'f';
    if (!letter && !IsHtmlDigit(text[end])) break;
    const char32_t digit = letter ? c - U'a' + 10 : text[end] - U'0';
    number = std::min<char32_t>(number * (hexadecimal ? 16 : 10) + digit, kGreatestCharacter + 1);
  }
  if (end == begin) return {};
  if (end < text.size() && text[end] == U';') ++end;
  const bool no_character =
      number == 0 || number > kGreatestCharacter || (number >= 0xD800 && number <= 0xDFFF);
  return {end, no_character ? kHtmlReplacement : FromWindows1252(number)};
}

// "&name", with a semicolon or, of those that need none, the longest that fits.
HtmlReference HtmlNameAt(std::u32string_view text) {
  std::string name;
  HtmlReference longest;
  for (size_t i = 1; i < text.size() && (IsHtmlLetter(text[i]) || IsHtmlDigit(text[i])); ++i) {
    name += static_cast<char>(text[i]);
    const auto found = HtmlNames().find(name);
    if (found == HtmlNames().end()) continue;
    const bool closed = i + 1 < text.size() && text[i + 1] == U';';
    if (closed || found->second.closes_itself) longest = {i + (closed ? 2 : 1), found->second.character};
  }
  return longest;
}

// Where the element of this name that has begun ends: behind its closing tag, or with the text.
size_t EndOfHtmlElement(std::u32string_view html, size_t from, const std::u32string& name) {
  const size_t end = html.find(U"</" + name, from);
  const size_t close = end == std::u32string_view::npos ? end : html.find(U'>', end);
  return close == std::u32string_view::npos ? html.size() : close + 1;
}

// The name of the tag at the beginning of `tag` in lower case: "b" of "<B class=…>".
std::u32string NameOfHtmlTag(std::u32string_view tag) {
  size_t end = 1;
  while (end < tag.size() && tag[end] != U'>' && tag[end] != U'/' && !IsWhitespace(tag[end])) ++end;
  return Lowercase(tag.substr(1, end - 1));
}

// Behind the tag or comment at `at`; `at` itself: there is none.
size_t EndOfHtmlTag(std::u32string_view html, size_t at) {
  const std::u32string_view rest = html.substr(at);
  constexpr std::u32string_view kComment = U"<!--", kCommentEnd = U"-->";
  size_t end = std::u32string_view::npos;
  if (rest.starts_with(kComment)) {
    end = html.find(kCommentEnd, at + kComment.size());
    if (end != std::u32string_view::npos) end += kCommentEnd.size() - 1;
  } else if (rest.size() > 1 &&
             (IsHtmlLetter(rest[1]) || rest[1] == U'/' || rest[1] == U'!' || rest[1] == U'?')) {
    end = html.find(U'>', at);
  }
  return end == std::u32string_view::npos ? at : end + 1;
}

}  // namespace

char32_t FromWindows1252(char32_t c) {
  return c >= 0x80 && c < 0x80 + std::size(kWindows1252) ? kWindows1252[c - 0x80] : c;
}

std::u32string WithoutReferences(std::u32string_view text) {
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    const std::u32string_view rest = text.substr(at);
    const HtmlReference reference = rest.front() != U'&'      ? HtmlReference()
                                    : rest.starts_with(U"&#") ? HtmlNumberAt(rest)
                                                              : HtmlNameAt(rest);
    out += reference.length > 0 ? reference.character : rest.front();
    at += std::max<size_t>(reference.length, 1);
  }
  return out;
}

std::u32string TextOfHtml(std::u32string_view html) {
  std::u32string text;
  for (size_t at = 0; at < html.size();) {
    const size_t end = html[at] == U'<' ? EndOfHtmlTag(html, at) : at;
    if (end == at) {
      text += html[at++];
      continue;
    }
    const std::u32string name = NameOfHtmlTag(html.substr(at, end - at));
    at = name == U"script" || name == U"style" ? EndOfHtmlElement(html, end, name) : end;
  }
  return WithoutReferences(text);
}

}  // namespace mind::diffusion
