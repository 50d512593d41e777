#include "worker/diffusion/text/chat_prompt.h"

namespace mind::diffusion {
namespace {

constexpr char kAssistant[] = "<|im_start|>assistant\n";
constexpr char kNoThought[] = "<think>\n\n</think>\n\n";

// Parts of the models: a word less and their states are others.
constexpr char kDescribe[] =
    "Describe the image by detailing the color, shape, size, texture, quantity, text, spatial relationships "
    "of the objects and background:";
constexpr int64_t kDescribeTokens = 34;
constexpr char kEditByPicture[] =
    "Describe the key features of the input image (color, shape, size, texture, objects, background), then "
    "explain how the user's text instruction should alter or modify the image. Generate a new image that "
    "meets the user's requirements while maintaining consistency with the original input where appropriate.";
constexpr int64_t kEditTokens = 64;

std::string Said(const std::string& who, const std::string& what) {
  return "<|im_start|>" + who + "\n" + what + "<|im_end|>\n";
}

}  // namespace

std::string ChatTurn(const std::string& prompt) {
  return Said("user", prompt) + kAssistant;
}

std::string ChatTurnWithoutThought(const std::string& prompt) {
  return ChatTurn(prompt) + kNoThought;
}

InstructedTurn DescribingTurn(const std::string& prompt) {
  return {Said("system", kDescribe) + ChatTurn(prompt), kDescribeTokens};
}

InstructedTurn EditingTurn(const std::string& prompt, int64_t pictures) {
  std::string shown;
  for (int64_t i = 1; i <= pictures; ++i)
    shown += "Picture " + std::to_string(i) + ": <|vision_start|><|image_pad|><|vision_end|>";
  return {Said("system", kEditByPicture) + ChatTurn(shown + prompt), kEditTokens};
}

}  // namespace mind::diffusion
