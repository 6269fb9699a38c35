// Something on this page said no. The message is for people, and says what to do.

export class Refusal extends Error {}

/** The passphrase does not open the key, or the file was changed. */
export class WrongPassphrase extends Refusal {
  constructor() {
    super("This passphrase does not open the key. Nobody can reset it: try the one you wrote down.");
  }
}
