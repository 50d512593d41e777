#include "server/http/end_of_turn.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace mind::server {

void EndOfTurn::Do(std::function<void()> work) {
  work_.push_back(std::move(work));
  if (work_.size() > 1) return;
  boost::asio::post(io_, [self = shared_from_this()] {
    self->run_([work = std::exchange(self->work_, {})] {
      for (const std::function<void()>& each : work) each();
    });
  });
}

}  // namespace mind::server
