#include "worker/diffusion/text/prompt_chunks.h"

#include <algorithm>

#include "worker/diffusion/error.h"

namespace mind::diffusion {

// The chunks of one prompt while they fill.
class PromptChunker::Builder {
 public:
  Builder(const PromptChunker& chunker, int64_t comma_backtrack)
      : chunker_(chunker), room_(chunker.length_ - 2), backtrack_(static_cast<size_t>(comma_backtrack)) {}

  void Add(int64_t id, double weight) {
    MakeRoom(id);
    tokens_.push_back({id, weight, nullptr});
  }

  // Never in two chunks. `id`: of the first token of its name.
  void AddWord(const Word& word, int64_t vectors, int64_t id, double weight) {
    const auto count = static_cast<size_t>(vectors);
    if (count > room_) {
      throw RequestError("the word \"" + word.name + "\" stands for " + std::to_string(vectors) +
                         " vectors, a chunk of the prompt has room for " + std::to_string(room_));
    }
    MakeRoom(id);
    if (tokens_.size() + count > room_) EndChunk();
    for (size_t i = 0; i < count; ++i) tokens_.push_back({0, weight, i == 0 ? &word : nullptr});
  }

  void EndChunk() {
    PromptChunk chunk{.ids = {chunker_.begin_}, .length = 0, .weights = {1}, .words = {}};
    for (const Token& token : tokens_) {
      if (token.word != nullptr)
        chunk.words.push_back({token.word->name, static_cast<int64_t>(chunk.ids.size())});
      chunk.ids.push_back(token.id);
      chunk.weights.push_back(token.weight);
    }
    counts_.push_back(static_cast<int64_t>(tokens_.size()));
    chunk.ids.resize(room_ + 2, chunker_.end_);
    // After the first end mark, the prompt's own too, there is nothing but padding.
    const auto padding = std::find(chunk.ids.begin(), chunk.ids.end(), chunker_.end_) + 1;
    chunk.length = padding - chunk.ids.begin();
    std::fill(padding, chunk.ids.end(), chunker_.pad_);
    chunk.weights.resize(room_ + 2, 1);
    tokens_.clear();
    after_comma_ = 0;
    chunks_.push_back(std::move(chunk));
  }

  PromptChunks Finish(int64_t most) {
    if (!tokens_.empty() || chunks_.empty()) EndChunk();
    PromptChunks done{std::move(chunks_), 0};
    for (size_t i = static_cast<size_t>(most); i < counts_.size(); ++i) done.tokens_cut += counts_[i];
    if (done.chunks.size() > static_cast<size_t>(most)) done.chunks.resize(static_cast<size_t>(most));
    return done;
  }

 private:
  struct Token {
    int64_t id = 0;
    double weight = 1;
    const Word* word = nullptr;  // that begins here
  };

  // For one more token, of this id.
  void MakeRoom(int64_t id) {
    if (id == chunker_.comma_) {
      after_comma_ = tokens_.size() + 1;
    } else if (tokens_.size() == room_ && after_comma_ > 0 && room_ + 1 - after_comma_ <= backtrack_) {
      MoveAfterComma();
    }
    if (tokens_.size() == room_) EndChunk();
  }

  void MoveAfterComma() {
    const std::vector<Token> moved(tokens_.begin() + static_cast<std::ptrdiff_t>(after_comma_),
                                   tokens_.end());
    tokens_.resize(after_comma_);
    EndChunk();
    tokens_ = moved;
  }

  const PromptChunker& chunker_;
  const size_t room_, backtrack_;
  std::vector<PromptChunk> chunks_;
  std::vector<int64_t> counts_;  // tokens of each, without marks and padding
  std::vector<Token> tokens_;    // of the chunk that fills
  size_t after_comma_ = 0;       // the place after its last comma; 0: it has none
};

PromptChunker::PromptChunker(const Tokenizer& tokenizer, size_t length, const std::vector<std::string>& words,
                             VectorsOf vectors_of)
    : tokenizer_(tokenizer), length_(length), vectors_of_(std::move(vectors_of)) {
  const std::vector<int64_t> nothing = tokenizer.EncodePadded("", 3);
  begin_ = nothing[0];
  end_ = nothing[1];
  pad_ = nothing[2];
  const std::vector<int64_t> comma = IdsOf(",");
  comma_ = comma.size() == 1 ? comma.front() : -1;
  for (const std::string& word : words) words_.push_back({word, IdsOf(word)});
  std::stable_sort(words_.begin(), words_.end(),
                   [](const Word& a, const Word& b) { return a.ids.size() > b.ids.size(); });
}

std::vector<int64_t> PromptChunker::IdsOf(std::string_view text) const {
  const std::vector<int64_t> ids = tokenizer_.Encode(text);
  return {ids.begin() + 1, ids.end() - 1};
}

const PromptChunker::Word* PromptChunker::WordAt(const std::vector<int64_t>& ids, size_t place) const {
  for (const Word& word : words_) {
    if (word.ids.empty() || word.ids.size() > ids.size() - place) continue;
    if (std::equal(word.ids.begin(), word.ids.end(), ids.begin() + static_cast<std::ptrdiff_t>(place)))
      return &word;
  }
  return nullptr;
}

PromptChunks PromptChunker::Chunks(std::string_view prompt, const PromptReading& reading) const {
  const std::vector<PromptPiece> pieces = reading.emphasis == Emphasis::kNone
                                              ? std::vector<PromptPiece>{{std::string(prompt), 1}}
                                              : ParsePrompt(prompt);
  Builder builder(*this, reading.comma_backtrack);
  for (const PromptPiece& piece : pieces) {
    if (piece.is_break()) {
      builder.EndChunk();
      continue;
    }
    const std::vector<int64_t> ids = IdsOf(piece.text);  // alone: pieces never join into one word
    for (size_t place = 0; place < ids.size();) {
      const Word* const word = WordAt(ids, place);
      if (word != nullptr) {
        builder.AddWord(*word, vectors_of_(word->name), ids[place], piece.weight);
        place += word->ids.size();
      } else {
        builder.Add(ids[place++], piece.weight);
      }
    }
  }
  return builder.Finish(reading.most_chunks);
}

}  // namespace mind::diffusion
