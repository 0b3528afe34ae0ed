//! Who goes next: flows take turns, and within a flow whoever came first.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::Notify;

/// Who takes turns: a flow of a connection, which is known by its address.
pub(crate) type Turner = (usize, &'static str);

/// Requests that wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Those who have a request waiting, the next one first.
    order: VecDeque<Turner>,
    waiting: HashMap<Turner, VecDeque<Ticket>>,
    tickets: u64,
}

#[derive(Debug)]
struct Ticket {
    id: u64,
    wake: Arc<Notify>,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Puts a request at the end of its flow's. It is woken when it is next.
    pub(crate) fn push(&mut self, turner: Turner) -> (u64, Arc<Notify>) {
        self.tickets += 1;
        let wake = Arc::new(Notify::new());
        let waiting = self.waiting.entry(turner).or_default();
        if waiting.is_empty() {
            self.order.push_back(turner);
        }
        waiting.push_back(Ticket { id: self.tickets, wake: wake.clone() });
        (self.tickets, wake)
    }

    /// How many go before a further request of a flow.
    pub(crate) fn ahead(&self, turner: Turner) -> u64 {
        let own = self.waiting.get(&turner).map_or(0, VecDeque::len);
        let others = self.waiting.iter().filter(|(other, _)| **other != turner);
        (own + others.map(|(_, waiting)| waiting.len().min(own + 1)).sum::<usize>()) as u64
    }

    /// Whether this request is next.
    pub(crate) fn is_next(&self, id: u64) -> bool {
        self.next().is_some_and(|ticket| ticket.id == id)
    }

    /// Takes a request out, whether it went or was given up, and wakes the one that is next from now on.
    pub(crate) fn leave(&mut self, turner: Turner, id: u64) {
        let was_next = self.is_next(id);
        if let Some(waiting) = self.waiting.get_mut(&turner) {
            waiting.retain(|ticket| ticket.id != id);
            let more = !waiting.is_empty();
            if !more {
                self.waiting.remove(&turner);
                self.order.retain(|other| *other != turner);
            } else if was_next {
                self.order.rotate_left(1);
            }
        }
        if was_next {
            self.wake();
        }
    }

    /// Wakes the request that is next: it may be able to go.
    pub(crate) fn wake(&self) {
        if let Some(ticket) = self.next() {
            ticket.wake.notify_one();
        }
    }

    fn next(&self) -> Option<&Ticket> {
        self.waiting.get(self.order.front()?)?.front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BULK: Turner = (1, "bulk");
    const SMALL: Turner = (1, "small");

    fn served(queue: &mut Queue, requests: &[(u64, Turner)]) -> Vec<u64> {
        let mut served = Vec::new();
        while let Some((id, turner)) = requests.iter().find(|(id, _)| queue.is_next(*id)) {
            queue.leave(*turner, *id);
            served.push(*id);
        }
        assert!(queue.is_empty());
        served
    }

    #[test]
    fn flows_take_turns_and_within_a_flow_the_first_goes_first() {
        let mut queue = Queue::default();
        let turners = [BULK, BULK, BULK, SMALL, BULK, SMALL];
        let requests = turners.map(|turner| (queue.push(turner).0, turner));
        assert_eq!(queue.ahead(SMALL), 2 + 3);
        assert_eq!(queue.ahead((2, "other")), 2);
        assert_eq!(served(&mut queue, &requests), [1, 4, 2, 6, 3, 5]);
    }

    #[test]
    fn whoever_gives_up_is_not_waited_for() {
        let mut queue = Queue::default();
        let requests = [BULK, BULK, SMALL].map(|turner| (queue.push(turner).0, turner));
        queue.leave(BULK, 1);
        queue.leave(SMALL, 3);
        assert_eq!(served(&mut queue, &requests), [2]);
    }
}
