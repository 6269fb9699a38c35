// Light, dark, or as the system says. `public/theme.js` applies the same choice before the first paint.

export type Theme = "system" | "light" | "dark";

const NAME = "nexus.theme";
const ORDER: Theme[] = ["system", "light", "dark"];

class ThemeChoice {
  current = $state<Theme>((document.documentElement.dataset.theme as Theme | undefined) ?? "system");

  next(): void {
    this.current = ORDER[(ORDER.indexOf(this.current) + 1) % ORDER.length]!;
    const root = document.documentElement;
    if (this.current === "system") delete root.dataset.theme;
    else root.dataset.theme = this.current;
    try {
      if (this.current === "system") localStorage.removeItem(NAME);
      else localStorage.setItem(NAME, this.current);
    } catch {
      // Storage is switched off: the choice holds until the page is closed.
    }
  }
}

export const theme = new ThemeChoice();
