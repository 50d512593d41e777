#include "proto/support/line_writer.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace mind {
namespace {

constexpr absl::Duration kFlushAtEnd = absl::Seconds(1);

void WriteAll(int fd, const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = write(fd, text.data() + written, text.size() - written);
    if (count < 0 && errno != EINTR) return;  // nobody is there to be told
    written += count < 0 ? 0 : static_cast<size_t>(count);
  }
}

}  // namespace

LineWriter::LineWriter(Options options)
    : state_(std::make_shared<State>(std::move(options))), thread_([state = state_] { Main(*state); }) {}

LineWriter::~LineWriter() {
  const bool flushed = Flush(kFlushAtEnd);
  {
    const absl::MutexLock lock(&state_->mutex);
    state_->closing = true;
  }
  if (flushed) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void LineWriter::Write(std::string line) {
  const absl::MutexLock lock(&state_->mutex);
  if (state_->bytes + line.size() > state_->options.max_bytes) {
    ++state_->dropped;
    return;
  }
  state_->bytes += line.size();
  state_->lines.push_back(std::move(line));
}

bool LineWriter::Flush(absl::Duration limit) {
  State& state = *state_;
  const auto flushed = [&state]() ABSL_SHARED_LOCKS_REQUIRED(state.mutex) {
    return state.lines.empty() && !state.writing;
  };
  const absl::MutexLock lock(&state.mutex);
  return state.mutex.AwaitWithTimeout(absl::Condition(&flushed), limit);
}

void LineWriter::Main(State& state) {
  const auto something_to_do = [&state]() ABSL_SHARED_LOCKS_REQUIRED(state.mutex) {
    return state.closing || !state.lines.empty();
  };
  for (;;) {
    std::string text;
    {
      const absl::MutexLock lock(&state.mutex);
      state.writing = false;
      state.mutex.Await(absl::Condition(&something_to_do));
      if (state.lines.empty()) return;
      for (const std::string& line : state.lines) text += line;
      if (state.dropped > 0) text += state.options.dropped_line(std::exchange(state.dropped, 0));
      state.lines.clear();
      state.bytes = 0;
      state.writing = true;
    }
    WriteAll(state.options.fd, text);
  }
}

}  // namespace mind
