// Escape in a form within a dialog closes that form, and leaves the dialog open.

/** For `{@attach}`: calls `close` when Escape is pressed anywhere in the element. */
export function escapes(close: () => void): (node: HTMLElement) => () => void {
  return (node) => {
    const pressed = (event: KeyboardEvent): void => {
      // An input method takes Escape to leave a character.
      if (event.key !== "Escape" || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      event.stopPropagation();
      close();
    };
    node.addEventListener("keydown", pressed);
    return () => node.removeEventListener("keydown", pressed);
  };
}
