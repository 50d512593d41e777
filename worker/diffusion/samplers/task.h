// The coroutine a sampler's step is.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_TASK_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_TASK_H_

#include <coroutine>
#include <exception>
#include <utility>

namespace mind::diffusion {

// Owns one suspended computation. It starts suspended; Resume() runs it to its next co_await or to its end.
// Not thread-safe, but it may be resumed by different threads one after the other. Destroying a task that is
// not done cancels it: its locals are destroyed where it stands.
class [[nodiscard]] Task {
 public:
  struct promise_type {
    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { exception = std::current_exception(); }

    std::exception_ptr exception;
  };

  Task() = default;
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  explicit operator bool() const { return handle_ != nullptr; }
  bool done() const { return handle_.done(); }

  // REQUIRES: !done(). Rethrows what the coroutine threw.
  void Resume() {
    handle_.resume();
    if (handle_.promise().exception) std::rethrow_exception(handle_.promise().exception);
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_TASK_H_
